/** A look at all connections, however many ask for it at the same time. */

/** Thousands of connections may rest in one turn of the event loop, and each would have all the others looked at. */
export function onceInTurn(look: () => void): () => void {
  let isDue = false;
  return () => {
    if (isDue) return;
    isDue = true;
    setImmediate(() => {
      isDue = false;
      look();
    });
  };
}
