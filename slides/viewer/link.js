// A link to a moment: what is shown and where, in the address's fragment.

/** What the fragment is to say. */
export function written(app) {
  const link = new URLSearchParams();
  const [left, right] = app.panes;
  if (app.left) link.set('chart', app.left);
  if (app.right !== null) link.set('beside', app.right);
  link.set('at', left.view.cursor);
  if (right) link.set('and', right.view.cursor);
  if (app.pane === right) link.set('on', 'right');
  const { view } = left;
  if (view.axis !== 'order') link.set('axis', view.axis);
  link.set('zoom', Number(view.zoom.toPrecision(5)));
  if (view.hidden.size) link.set('cpus', view.lanes.join('.'));
  if (view.generation) link.set('generation', view.generation);
  if (view.names) link.set('names', [...view.names].map((name) => left.model.chart.names[name]).join('.'));
  if (app.search.words) link.set('search', app.search.words);
  return `#${link}`;
}

/** Does what a fragment says; what it says wrongly is left as it is. */
export function read(app, fragment) {
  const link = new URLSearchParams(fragment.replace(/^#/, ''));
  const number = (name, most) => {
    const value = Number(link.get(name) ?? NaN);
    return Number.isInteger(value) && value >= 0 && value < most ? value : null;
  };
  const charts = app.charts.length;
  if (link.has('chart') || link.has('beside')) app.choose(number('chart', charts) ?? app.left, number('beside', charts));
  app.search.set(link.get('search') ?? '');
  app.panes.forEach((pane, at) => {
    const { view, model } = pane;
    view.clear();
    if (link.has('cpus')) {
      const shown = link.get('cpus').split('.').map(Number);
      view.hidden = new Set(model.chart.cpus.filter((cpu) => !shown.includes(cpu)));
    }
    if (/^\d+(:\d+)?$/.test(link.get('generation') ?? '')) view.generation = link.get('generation');
    if (link.has('names')) {
      const shown = link.get('names').split('.');
      view.names = new Set(model.chart.names.flatMap((name, index) => (shown.includes(name) ? [index] : [])));
    }
    view.filter();
    view.setAxis(link.get('axis') === 'time' ? 'time' : 'order');
    const zoom = Number(link.get('zoom'));
    if (zoom > 0) { view.zoom = zoom; view.enlarge(1, 0); }
    view.go(number(at ? 'and' : 'at', model.count) ?? view.cursor);
  });
  if (link.get('on') === 'right' && app.panes[1]) app.pane = app.panes[1];
}
