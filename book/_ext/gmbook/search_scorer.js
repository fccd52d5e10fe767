// Sphinx's scores, with one thing more: a result whose name has the words as they were typed comes first, the more so the
// larger a part of the name they are. Read by the build (html_search_scorer), which puts it into the search's own script.
var Scorer = {
  objNameMatch: 11,
  objPartialMatch: 6,
  objPrio: { 0: 15, 1: 5, 2: -5 },
  objPrioDefault: 0,
  title: 15,
  partialTitle: 7,
  term: 5,
  partialTerm: 2,
  score: ([, title, , , score]) => {
    const typed = (new URLSearchParams(location.search).get("q") ?? "").trim().toLowerCase();
    const named = typed && title.toLowerCase().includes(typed);
    return named ? score + 10 + 20 * (typed.length / title.length) : score;
  },
};
