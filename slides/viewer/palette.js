// Colours, in light and dark. The hues are Okabe and Ito's, which stay apart for every kind of
// colour blindness; shapes, hatching and words say the same without them.

const LIGHT = {
  page: '#ffffff', raised: '#ffffff', lane: '#f5f6f8', edge: '#c9ced6', ink: '#14181f', dim: '#566070',
  focus: '#0b63ce', cursor: '#fff1b8', initiator: '#0067a8', 'initiator-soft': '#d3e8f7',
  handler: '#9a5b00', 'handler-soft': '#fbe7c6', stale: '#c22f12', 'stale-soft': '#fbd9d1', 'on-stale': '#ffffff',
  fault: '#9a2f86', good: '#00714f', arrow: '#3d4756', other: '#7b8494', off: '#5b4bb0',
};

const DARK = {
  page: '#0f1319', raised: '#1a2029', lane: '#151a22', edge: '#3a4350', ink: '#eef1f5', dim: '#a3adba',
  focus: '#7cb8ff', cursor: '#3d3715', initiator: '#56b4e9', 'initiator-soft': '#123a54',
  handler: '#f0b042', 'handler-soft': '#40300f', stale: '#ff7a59', 'stale-soft': '#4d2015', 'on-stale': '#1b0a05',
  fault: '#e79ad2', good: '#35c79a', arrow: '#c3cbd6', other: '#8b95a3', off: '#b0a4f5',
};

/** The colours of `theme`, `light` or `dark`. */
export function palette(theme) {
  return theme === 'dark' ? DARK : LIGHT;
}

/** Makes them the page's. */
export function dress(theme) {
  const root = document.documentElement;
  root.dataset.theme = theme;
  root.style.colorScheme = theme;
  for (const [name, colour] of Object.entries(palette(theme))) root.style.setProperty(`--${name}`, colour);
}

/** What looks of events (letters of a chart) are drawn with: colour, shape, and a word for the legend. */
export const LOOKS = {
  '.': ['other', 'dot', 'of no shootdown'],
  i: ['initiator', 'circle', 'initiator'],
  t: ['handler', 'square', 'target, in its handler'],
  p: ['stale', 'diamond', 'page-table entry changes'],
  a: ['arrow', 'arrow', 'interrupt is sent'],
  g: ['good', 'circle', 'shootdown returns'],
  b: ['stale', 'cross', 'shootdown is given up'],
  f: ['fault', 'bolt', 'injected fault'],
  s: ['stale', 'cross', 'stale read, violation, hang'],
  k: ['other', 'bars', 'parked or stopped, or on again'],
  r: ['initiator', 'ring', 'read through the TLB'],
  o: ['off', 'ring', 'interrupts masked or unmasked'],
};

/** What spans are drawn with: colour, how, and a word. */
export const SPANS = {
  handler: ['handler', 'shade', 'in an interrupt handler: interrupts off'],
  masked: ['off', 'shade', 'interrupts masked'],
  old: ['stale', 'dots', 'may use the old translation'],
  stale: ['stale', 'cross', 'STALE: may use what the shootdown took away'],
  initiates: ['initiator', 'bar', 'initiates a shootdown'],
  waits: ['initiator', 'dashes', 'waits'],
  stands: ['other', 'bar', 'parked or stopped'],
};
