// What is told at the cursor: the event, the CPUs, the scoreboard, the TLBs, what was found.

import { grouped } from './paint.js';

/** The most pages that are listed at once. */
const PAGES = 24;
/** With so few the table has a row for each CPU. */
const FEW = 3;

/** An element with attributes and children. */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) made.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child !== null));
  return made;
}

export function panel(pane) {
  const part = (name) => pane.element.querySelector(`.panel .${name}`);
  const { model, view } = pane;
  const state = model.stateAt(view.cursor);
  const changed = model.changedBy(view.cursor);
  part('event').replaceChildren(...event(pane));
  part('findings').replaceChildren(...findings(pane));
  part('cpus').replaceChildren(cpus(model, view.cursor));
  part('scoreboard').replaceChildren(...scoreboard(model, state, changed));
  part('tlbs').replaceChildren(...tlbs(model, state, changed));
}

function event({ model, view }) {
  if (model.count === 0) return [element('p', {}, 'No events.')];
  const at = view.cursor;
  const { clock } = model.chart;
  const ticks = model.time[at] - model.time[0];
  const time = clock.unit === 'step' ? `step ${at}` : `${grouped(ticks)} ticks${clock.khz ? ` (${microseconds(ticks, clock.khz)})` : ''}`;
  const shootdown = model.shootdownOf(at);
  return [
    element('h3', {}, `CPU ${model.cpu[at]}: ${model.nameOf(at)}`),
    element('p', { class: 'words' }, model.textOf(at) || '\u00a0'),
    element('p', { class: 'where' }, `event ${at} of ${model.count - 1}, ${time}`),
    model.sourceOf(at) ? element('p', { class: 'where' }, element('code', {}, model.sourceOf(at))) : null,
    shootdown && element('p', { class: 'where' }, described(shootdown, model.shootdown[at])),
  ].filter(Boolean);
}

function described(shootdown, number) {
  const targets = shootdown.targets.length ? `at ${shootdown.targets.join(', ')}` : 'alone';
  const generation = shootdown.generation === null ? '' : `, generation ${shootdown.generation}`;
  return `shootdown ${number}: ${shootdown.request}, by CPU ${shootdown.initiator} ${targets}${generation}; ${shootdown.outcome}`;
}

function microseconds(ticks, khz) {
  const us = (ticks * 1000) / khz;
  return us < 10 ? `${us.toFixed(2)} µs` : us < 10_000 ? `${us.toFixed(0)} µs` : `${(us / 1000).toFixed(1)} ms`;
}

/** What was found first, as a button for the heading; nothing if all is well. */
export function badge(pane) {
  const { findings: all } = pane.model.chart;
  if (all.length === 0) return [];
  const names = [...new Set(all.map((finding) => (finding.invariant ? `I${finding.invariant}` : 'a rule')))];
  return [element('button', { type: 'button', class: 'badge', onclick: () => goTo(pane, all[0]) }, `${names.slice(0, 4).join(', ')} broken`)];
}

function goTo(pane, finding) {
  pane.app.go(pane, Math.max(...finding.events, 0));
}

function findings(pane) {
  const { findings: all } = pane.model.chart;
  if (all.length === 0) return [];
  const one = (finding) => element('li', {}, element('button', {
    type: 'button', onclick: () => goTo(pane, finding),
  }, element('b', {}, finding.invariant ? `I${finding.invariant} broken. ` : 'Broken. '), finding.text, element('span', { class: 'rule' }, finding.rule)));
  const more = all.length > 20 ? [element('p', { class: 'note' }, `and ${all.length - 20} more`)] : [];
  return [element('h3', {}, 'Found broken'), element('ul', {}, ...all.slice(0, 20).map(one)), ...more];
}

function table(caption, head, rows) {
  return element('table', {}, element('caption', {}, caption),
    element('thead', {}, element('tr', {}, ...head.map((name) => element('th', { scope: 'col' }, name)))),
    element('tbody', {}, ...rows));
}

function cpus(model, at) {
  const doing = (cpu) => {
    const is = (of) => model.during(cpu, of, at).length > 0;
    if (is('stands')) return 'stands';
    if (is('handler')) return 'handler';
    if (is('waits')) return 'waits';
    return is('initiates') ? 'initiates' : 'runs';
  };
  const row = (cpu) => {
    const off = model.during(cpu, 'handler', at).length > 0 || model.during(cpu, 'masked', at).length > 0;
    const pending = model.pending(cpu, at);
    const stale = model.during(cpu, 'stale', at).length > 0;
    const old = stale || model.during(cpu, 'old', at).length > 0;
    return element('tr', {}, element('th', { scope: 'row' }, `CPU ${cpu}`), element('td', {}, doing(cpu)),
      element('td', { class: off ? 'off' : null }, off ? 'off' : 'on'),
      element('td', {}, pending ? 'pending' : '–'),
      element('td', { class: stale ? 'stale' : old ? 'old' : 'none' }, stale ? 'STALE' : old ? 'old' : '–'));
  };
  return table('CPUs', ['', 'doing', 'interrupts', 'IPI', 'TLB'], model.chart.cpus.map(row));
}

function scoreboard(model, state, changed) {
  if (state.slots.size === 0) return [];
  const { cpus: all } = model.chart;
  const cell = (target, initiator) => {
    const key = `${target}.${initiator}`;
    if (!state.slots.has(key)) return element('td', { class: 'none' }, '–');
    const value = state.slots.get(key);
    const names = [value === 0 ? 'pending' : '', changed.has(`slot ${key}`) ? 'new' : ''].filter(Boolean).join(' ');
    return element('td', { class: names || null, 'data-slot': key }, String(value), value === 0 ? element('small', {}, 'pending') : null);
  };
  const row = (target) => element('tr', {}, element('th', { scope: 'row' }, String(target)), ...all.map((initiator) => cell(target, initiator)));
  return [table('Scoreboard', ['target ╲ initiator', ...all.map(String)], all.map(row))];
}

function tlbs(model, state, changed) {
  const { cpus: all, pages } = model.chart;
  if (pages.length === 0) return [];
  const holders = (page) => all.filter((cpu) => state.tlbs.has(`${cpu}.${page}`));
  const weight = (page) => holders(page).reduce((sum, cpu) => sum + { fresh: 1, old: 100, stale: 10_000 }[state.tlbs.get(`${cpu}.${page}`).age], 0);
  const known = pages.map((page, number) => number).filter((page) => holders(page).length || state.pages.get(page));
  const listed = known.toSorted((a, b) => weight(b) - weight(a) || a - b).slice(0, PAGES).toSorted((a, b) => a - b);
  const caption = 'TLBs, as far as is recorded';
  if (listed.length === 0) return [element('h3', {}, caption), element('p', { class: 'note' }, 'Nothing is known of them yet.')];
  const cell = (cpu, page) => {
    const key = `${cpu}.${page}`;
    const held = state.tlbs.get(key);
    const names = [held ? held.age : 'none', changed.has(`tlb ${key}`) ? 'new' : ''].filter(Boolean).join(' ');
    return element('td', { class: names, 'data-tlb': key }, held ? `v${held.version}` : '–', held && held.age !== 'fresh' ? element('small', {}, held.age) : null);
  };
  const truth = (page) => element('td', { class: changed.has(`page ${page}`) ? 'new' : null }, `v${state.pages.get(page) ?? 0}`);
  const name = (page, scope) => element('th', { scope }, pages[page].address, element('small', {}, ` space ${pages[page].space}`));
  const byPage = (page) => element('tr', {}, name(page, 'row'), truth(page), ...all.map((cpu) => cell(cpu, page)));
  const byCpu = (cpu) => element('tr', {}, element('th', { scope: 'row' }, `CPU ${cpu}`), ...listed.map((page) => cell(cpu, page)));
  const more = known.length > listed.length ? [element('p', { class: 'note' }, `and ${known.length - listed.length} pages more`)] : [];
  if (listed.length > FEW) return [table(caption, ['page', 'table', ...all.map((cpu) => `CPU ${cpu}`)], listed.map(byPage)), ...more];
  const made = table(caption, [''], [element('tr', {}, element('th', { scope: 'row' }, 'page table'), ...listed.map(truth)), ...all.map(byCpu)]);
  made.tHead.rows[0].append(...listed.map((page) => name(page, 'col')));
  return [made];
}
