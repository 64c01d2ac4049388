// Does something again and again, while the page can be seen.

/** Runs now, and again after a pause, until the signal is aborted. Returns after the first run. */
export async function every(ms, signal, run) {
  let timer = 0;
  let running = false;
  const turn = async () => {
    clearTimeout(timer);
    if (running || signal.aborted) return;
    running = true;
    if (!document.hidden) await run();
    running = false;
    if (!signal.aborted) timer = setTimeout(turn, ms);
  };
  document.addEventListener("visibilitychange", turn, { signal });
  document.addEventListener("reachable", turn, { signal });
  signal.addEventListener("abort", () => clearTimeout(timer));
  await turn();
}
