// Elements and charts of the dashboard. All text is set as text, never as HTML.
// biome-ignore-all lint/correctness/noUnusedVariables: page.js follows it on the page, and uses them

const SVG = 'http://www.w3.org/2000/svg'
/** Milliseconds that charts reach back. */
const SPAN = 300_000
const HEIGHT = 150
/** Below the plot, for the times. */
const FOOT = 18
const COLOURS = ['first', 'second', 'third', 'fourth']

const format = {
  count: (value) => new Intl.NumberFormat('en', { maximumFractionDigits: 1 }).format(value),
  percent: (value) => `${value.toFixed(value < 10 ? 1 : 0)} %`,
  perSecond: (value) => `${format.count(value)} /s`,
  bytesPerSecond: (value) => `${format.bytes(value)}/s`,
  milliseconds(value) {
    if (value >= 1000) return `${format.count(value / 1000)} s`
    return value >= 1 || value === 0 ? `${value.toFixed(1)} ms` : `${(value * 1000).toFixed(0)} µs`
  },
  bytes(value) {
    const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
    const power = Math.min(4, Math.floor(Math.log2(Math.max(value, 1)) / 10))
    return `${(value / 1024 ** power).toFixed(power === 0 ? 0 : 1)} ${units[power]}`
  },
  time: (timestamp) => new Date(timestamp).toLocaleTimeString('en-GB'),
}

/**
 * An element with attributes and children; texts become text nodes.
 *
 * @param {string} name
 * @param {Record<string, unknown>} [attributes]
 * @param {...(Node | string)} children
 */
function element(name, attributes = {}, ...children) {
  return filled(document.createElement(name), attributes, children)
}

function drawn(name, attributes, ...children) {
  return filled(document.createElementNS(SVG, name), attributes, children)
}

function filled(node, attributes, children) {
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value))
  node.append(...children)
  return node
}

/** A list of names and values; those without a value are left out. */
function facts(pairs) {
  const known = Object.entries(pairs).filter(([, value]) => value !== undefined && value !== null)
  const fact = ([name, value]) =>
    element('div', {}, element('dt', {}, name), element('dd', {}, String(value)))
  return element('dl', { class: 'facts' }, ...known.map(fact))
}

/**
 * Lines over time from zero. A line breaks where nothing was known for `gap` milliseconds.
 *
 * @param {string} title
 * @param {{ name: string, points: [number, number][], limit?: boolean }[]} lines
 * @param {{ unit: (value: number) => string, width: number, gap: number, moment?: (time: number) => string }} how
 */
function chart(title, lines, { unit, width, gap, moment = format.time }) {
  const shown = lines.filter(({ points }) => points.length > 0)
  const captions = shown.map(({ name, points, limit }, index) => ({
    text: `${name} ${unit(points.at(-1)[1])}`,
    colour: limit ? 'limit' : COLOURS[index],
  }))
  const times = shown.flatMap(({ points }) => [points[0][0], points.at(-1)[0]])
  const end = Math.max(...times)
  const start = Math.max(Math.min(...times), end - SPAN)
  const plot = HEIGHT - FOOT
  const highest = Math.max(...shown.flatMap(({ points }) => points.map(([, value]) => value)))
  const most = ceiling(highest, unit)
  const x = (time) => (((time - start) / Math.max(1, end - start)) * width).toFixed(1)
  const y = (value) => (plot - (value / most) * (plot - 14)).toFixed(1)
  const levels = [0, 0.5, 1].map((share) => ({ top: y(share * most), text: unit(share * most) }))
  const paths = shown.map(({ points }, index) =>
    drawn('path', { class: captions[index].colour, d: path(points, start, gap, x, y) }),
  )
  const label = `${title}: ${captions.map(({ text }) => text).join(', ')}`
  return element(
    'figure',
    {},
    element(
      'figcaption',
      {},
      ...captions.map(({ text, colour }) => element('span', { class: colour }, text)),
    ),
    drawn(
      'svg',
      { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': label },
      ...levels.map(({ top }) => drawn('line', { x1: 0, x2: width, y1: top, y2: top })),
      ...paths,
      ...levels.map(({ top, text }) => drawn('text', { class: 'dim', x: 0, y: top - 3 }, text)),
      drawn('text', { class: 'dim', x: 0, y: HEIGHT - 3 }, moment(start)),
      drawn('text', { class: 'dim', x: width, y: HEIGHT - 3, 'text-anchor': 'end' }, moment(end)),
    ),
  )
}

function path(points, start, gap, x, y) {
  let before = start
  let steps = ''
  for (const [time, value] of points) {
    if (time < start) continue
    steps += `${steps === '' || time - before > gap ? 'M' : 'L'}${x(time)} ${y(value)}`
    before = time
  }
  return steps
}

/** The next number above that is easy to read: 1, 2 or 5 times a power of ten; of bytes, a power of two. */
function ceiling(value, unit) {
  if (!(value > 0)) return 1
  if (unit === format.bytes || unit === format.bytesPerSecond)
    return 2 ** Math.ceil(Math.log2(value))
  const power = 10 ** Math.floor(Math.log10(value))
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value)
}
