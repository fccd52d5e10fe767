// Sphinx's scores, with two things more: a result whose name has the words as they were typed comes first, the more so the
// larger a part of the name they are; a module comes after what it holds and what the text says of it. Read by the build
// (html_search_scorer), which puts it into the search's own script.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([, title, anchor, , score]) => {
    const typed = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    const named = typed && title.toLowerCase().includes(typed);
    const module = (anchor ?? "").startsWith("#module-");
    return score + (named ? 10 + 20 * (typed.length / title.length) : 0) - (module ? 15 : 0);
  },
};
