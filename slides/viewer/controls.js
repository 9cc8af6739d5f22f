// The controls above the lanes: what is in them follows from the charts, what they do from the application.

import { element } from './panel.js';
import { KEYS } from './keys.js';
import { LOOKS, SPANS, palette } from './palette.js';
import { Painter } from './paint.js';
import { CanvasSurface } from './surface.js';

const by = (id) => document.getElementById(id);

/** Fills and wires them, once. */
export function wire(app) {
  const does = {
    first: () => app.end(-1), back: () => app.step(-1), next: () => app.step(1), last: () => app.end(1),
    out: () => app.enlarge(1 / 1.5), fit: () => app.enlarge(0), in: () => app.enlarge(1.5),
    difference: () => app.difference(), clear: () => app.clear(), 'all-names': () => app.showNames(null),
    'no-names': () => app.showNames(new Set()), svg: () => app.save('svg'), png: () => app.save('png'),
    link: () => app.copyLink(), theme: () => app.turnTheme(), help: () => app.help(),
  };
  for (const button of document.querySelectorAll('[data-do]')) button.addEventListener('click', does[button.dataset.do]);
  by('axis').addEventListener('change', () => app.setAxis(by('axis').value));
  by('left').addEventListener('change', () => app.choose(Number(by('left').value), app.right));
  by('right').addEventListener('change', () => app.choose(app.left, by('right').value === '' ? null : Number(by('right').value)));
  by('search').addEventListener('input', () => { app.search.set(by('search').value); app.redraw(); });
  by('search').addEventListener('keydown', (event) => {
    if (event.key === 'Enter') { event.preventDefault(); app.search.go(event.shiftKey ? -1 : 1); }
  });
  by('generation').addEventListener('input', () => {
    const wanted = by('generation').value.trim();
    const sound = wanted === '' || /^\d+(:\d+)?$/.test(wanted);
    by('generation').setAttribute('aria-invalid', String(!sound));
    if (sound) app.filter((view) => { view.generation = wanted; });
  });
  for (const menu of document.querySelectorAll('details.menu')) {
    document.addEventListener('pointerdown', (event) => { if (!menu.contains(event.target)) menu.open = false; });
    menu.addEventListener('keydown', (event) => {
      if (event.key !== 'Escape') return;
      event.stopPropagation();
      menu.open = false;
      menu.querySelector('summary').focus();
    });
  }
  by('keys').tBodies[0].append(...KEYS.map(([, label, does]) => element('tr', {},
    element('td', {}, ...label.split(/(?<=^\S) (?=\S$)/).flatMap((key, at) => (at ? [' ', element('kbd', {}, key)] : [element('kbd', {}, key)]))),
    element('td', {}, does))));
}

/** Fills what depends on which charts are shown. */
export function fill(app) {
  const options = () => app.charts.map((chart, at) => element('option', { value: at }, chart.title));
  by('left').replaceChildren(...options());
  by('right').replaceChildren(element('option', { value: '' }, 'nothing'), ...options());
  const several = app.charts.length > 1;
  for (const id of ['left', 'right']) by(id).closest('label').hidden = !several;
  by('difference').hidden = app.panes.length < 2;
  const { chart } = app.panes[0].model;
  const check = (label, change) => element('label', {}, element('input', { type: 'checkbox', onchange: change }), label);
  by('cpus').replaceChildren(...chart.cpus.map((cpu) => check(`CPU ${cpu}`, (event) => app.showCpu(cpu, event.target.checked))));
  by('names').replaceChildren(...chart.names.map((name) => check(name, (event) => app.showName(name, event.target.checked))));
  signs(app);
  reflect(app);
}

/** Makes the controls say what is so. */
export function reflect(app) {
  const { view, model } = app.panes[0];
  by('axis').value = view.axis;
  by('left').value = app.left;
  by('right').value = app.right ?? '';
  if (document.activeElement !== by('search')) by('search').value = app.search.words;
  if (document.activeElement !== by('generation')) by('generation').value = view.generation;
  by('matches').textContent = app.search.tally();
  by('filtered').textContent = view.filtered ? ` (${view.rows.length} of ${model.count})` : '';
  [...by('cpus').querySelectorAll('input')].forEach((box, at) => { box.checked = !view.hidden.has(model.chart.cpus[at]); });
  [...by('names').querySelectorAll('input')].forEach((box, at) => { box.checked = view.names === null || view.names.has(at); });
}

/** The legend, drawn by what draws the lanes. */
export function signs(app) {
  const sample = (draw) => {
    const canvas = element('canvas', { width: 120, height: 52, role: 'presentation' });
    const surface = new CanvasSurface(canvas.getContext('2d'), 2);
    surface.context.scale(2, 2);
    draw(new Painter(app.panes[0].view, surface, palette(app.theme), 160, 60), surface);
    return canvas;
  };
  const look = ([name, shape, words]) => element('tr', {}, element('td', {}, sample((painter) => painter.mark(shape, 30, 13, painter.colours[name]))), element('td', {}, words));
  const span = ([of, [, , words]]) => element('tr', {}, element('td', {}, sample((painter) => {
    painter.lane = 56;
    painter.x = new Map([[0, 2]]);
    painter.span(of, 0, 0, 26, false);
  })), element('td', {}, words));
  by('signs').tBodies[0].replaceChildren(...Object.values(LOOKS).map(look), ...Object.entries(SPANS).map(span));
}
