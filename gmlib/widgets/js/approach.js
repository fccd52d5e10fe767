// What is fetched only for a reader who comes near.
export function onApproach(view, act) {
  const observer = new IntersectionObserver((entries) => {
    if (!entries.at(-1).isIntersecting) return;
    observer.disconnect();
    act();
  }, { rootMargin: "300px" });
  observer.observe(view.root);
  view.signal.addEventListener("abort", () => observer.disconnect());
}
