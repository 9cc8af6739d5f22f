// Searching: by words, or `#number` for an event.

export class Search {
  constructor(app) {
    this.app = app;
    this.words = '';
    this.kept = new Map(); // By pane: what was found for which words and rows.
  }

  set(words) {
    this.words = words.trim();
    this.kept.clear();
  }

  /** Whether an event is found, as a function; null if nothing is searched. */
  matcher(pane) {
    if (this.words === '' || this.words.startsWith('#')) return null;
    return this.look(pane).matches;
  }

  /** The events that are found, rising. */
  found(pane) {
    return this.words === '' ? [] : this.look(pane).found;
  }

  look(pane) {
    const { view, model } = pane;
    const kept = this.kept.get(pane);
    if (kept && kept.rows === view.rows) return kept;
    const number = /^#(\d+)$/.exec(this.words);
    const matches = number ? (event) => event === Number(number[1]) : model.matcher(this.words);
    const found = number ? [...[Number(number[1])].filter((event) => event < model.count)] : [...view.rows].filter(matches);
    const made = { rows: view.rows, matches, found };
    this.kept.set(pane, made);
    return made;
  }

  /** Goes to the next that is found, in a direction, round the end. */
  go(direction, pane = this.app.pane) {
    const found = this.found(pane);
    if (found.length === 0) return;
    const { cursor } = pane.view;
    const next = direction > 0 ? found.find((event) => event > cursor) : found.findLast((event) => event < cursor);
    this.app.go(pane, next ?? found.at(direction > 0 ? 0 : -1));
  }

  /** How many are found, and which of them the cursor is on. */
  tally() {
    if (this.words === '') return '';
    const { pane } = this.app;
    const found = this.found(pane);
    const at = found.indexOf(pane.view.cursor);
    if (found.length === 0) return 'not found';
    return at < 0 ? `${found.length} found` : `${at + 1} of ${found.length}`;
  }
}
