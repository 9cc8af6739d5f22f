// The keys: one table, from which they work and from which the help is made.

export const KEYS = [
  [['ArrowDown', 'j'], '↓ j', 'next event', (app) => app.step(1)],
  [['ArrowUp', 'k'], '↑ k', 'event before', (app) => app.step(-1)],
  [['ArrowRight', 'l'], '→ l', 'next event of this CPU', (app) => app.along(1)],
  [['ArrowLeft', 'h'], '← h', 'event before of this CPU', (app) => app.along(-1)],
  [['PageDown'], 'Page Down', 'a page on', (app) => app.step(app.page)],
  [['PageUp'], 'Page Up', 'a page back', (app) => app.step(-app.page)],
  [['Home'], 'Home', 'first event', (app) => app.end(-1)],
  [['End'], 'End', 'last event', (app) => app.end(1)],
  [[']'], ']', 'next shootdown', (app) => app.shootdown(1)],
  [['['], '[', 'shootdown before', (app) => app.shootdown(-1)],
  [['f'], 'f', 'next fault', (app) => app.seek(1, 'f')],
  [['F'], 'F', 'fault before', (app) => app.seek(-1, 'f')],
  [['s'], 's', 'next that is stale, broken or hung', (app) => app.seek(1, 'sb')],
  [['S'], 'S', 'the one before', (app) => app.seek(-1, 'sb')],
  [['+', '='], '+', 'zoom in', (app) => app.enlarge(1.5)],
  [['-', '_'], '−', 'zoom out', (app) => app.enlarge(1 / 1.5)],
  [['0'], '0', 'everything', (app) => app.enlarge(0)],
  [['1'], '1', 'legible', (app) => app.legible()],
  [['o'], 'o', 'order of events, or time', (app) => app.turnAxis()],
  [['/'], '/', 'search', (app) => app.focus('search')],
  [['n'], 'n', 'next that was found', (app) => app.search.go(1)],
  [['N'], 'N', 'found before', (app) => app.search.go(-1)],
  [['g'], 'g', 'filter by generation', (app) => app.focus('generation')],
  [['Escape'], 'Esc', 'clear filters and search', (app) => app.clear()],
  [['d'], 'd', 'first difference of two charts', (app) => app.difference()],
  [['w'], 'w', 'the other chart', (app) => app.other()],
  [['t'], 't', 'light or dark', (app) => app.turnTheme()],
  [['?'], '?', 'these keys', (app) => app.help()],
];

const FIELDS = ['INPUT', 'SELECT', 'TEXTAREA'];

/** What a key does; nothing while a field has the keyboard, or a dialog is open. */
export function press(app, event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector('dialog[open]')) return;
  const field = FIELDS.includes(event.target.tagName) && event.target.type !== 'checkbox';
  if (field) {
    if (event.key === 'Escape') app.leave();
    return;
  }
  if (event.target.id === 'serial') return;
  const key = KEYS.find(([names]) => names.includes(event.key));
  if (!key) return;
  event.preventDefault();
  key[3](app);
}
