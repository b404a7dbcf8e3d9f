// The dashboard: keeps what the events tell, and shows it as cards.

const token = new URLSearchParams(location.search).get('token')
const byId = (id) => document.getElementById(id)

/** The latest of each kind, oldest first, as far as charts reach back. */
const pulses = []
const states = []
/** By id. */
const loadTests = new Map()
let failure = ''
let ended = false
/** @type {EventSource | undefined} */
let source
let lastEventId = ''

// A browser allows six connections to a server, so a page that nobody sees gives its own back.
document.addEventListener('visibilitychange', () => (document.hidden ? source.close() : connect()))
connect()

function connect() {
  if (ended) return
  source?.close()
  source = new EventSource(`/events?${new URLSearchParams({ token, after: lastEventId })}`)
  const on = (kind, take) =>
    source.addEventListener(kind, (event) => {
      lastEventId = event.lastEventId
      take(JSON.parse(event.data))
      draw()
    })
  on('pulse', (pulse) => keep(pulses, pulse))
  on('state', (state) => {
    keep(states, state)
    failure = ''
  })
  on('load', takeLoad)
  on('failed', ({ message }) => {
    failure = message
  })
  on('end', () => {
    ended = true
    source.close()
  })
  source.onerror = draw
  source.onopen = draw
}

function keep(list, item) {
  list.push(item)
  while (list[0].timestamp < item.timestamp - SPAN) list.shift()
}

function takeLoad({ id, name, running, point }) {
  const known = loadTests.get(id) ?? { name, points: [] }
  loadTests.set(id, known)
  known.running = running
  if (point) known.points.push(point)
  if (known.points.length > 1000) known.points.shift()
  if (loadTests.size > 5) loadTests.delete(loadTests.keys().next().value)
}

let drawing = false
/** Once a frame at most, however many events arrive. */
function draw() {
  if (drawing) return
  drawing = true
  requestAnimationFrame(() => {
    drawing = false
    drawAll()
  })
}

function drawAll() {
  const state = states.at(-1)
  const pulse = pulses.at(-1)
  drawStatus(state, pulse)
  if (pulse) drawPulse(state, pulse)
  for (const [id, test] of [...loadTests].reverse()) drawLoadTest(id, test)
  if (!state) return
  drawCache(state)
  drawRateLimit(state)
  drawFiles(state)
  drawWindows(state)
  drawAlerts(state)
  drawTuning(state)
}

/** Whether JavaScript was not heard of when it should have been. */
function isBlocked(state, pulse) {
  return pulse !== undefined && pulse.silence > 2000 + 2 * (state?.interval ?? 1000)
}

function drawStatus(state, pulse) {
  const [text, good] = status(state, pulse)
  const shown = byId('status')
  if (shown.textContent !== text) shown.textContent = text
  shown.className = good ? 'good' : 'bad'
  if (!state) return
  const { title, pid, node } = state.process
  byId('title').textContent = title
  document.title = title
  byId('facts').replaceChildren(
    ...facts({
      Process: pid,
      Node: node,
      Uptime: duration(state.uptime),
      'API calls': format.count(state.metrics.apiCalls),
      'Cache hits': format.percent(state.metrics.cacheHitRate * 100),
      'Mean response': format.milliseconds(state.metrics.responseTime),
    }).children,
  )
}

function status(state, pulse) {
  if (ended) return ['The process has closed this page', false]
  if (source.readyState === EventSource.CLOSED) {
    return ['Refused: the process was started again, or too many pages are open', false]
  }
  if (source.readyState === EventSource.CONNECTING && pulse) return ['Disconnected', false]
  if (failure) return [failure, false]
  if (isBlocked(state, pulse)) return ['Event loop blocked', false]
  return pulse ? ['Live', true] : ['Connecting', true]
}

function drawPulse(state, pulse) {
  const silent = isBlocked(state, pulse)
  const threshold = ofType(state, 'memoryProfiler')[0]?.stats.thresholds?.rss
  const highest = Math.max(...pulses.map(({ rss }) => rss))
  card('memory', 'Memory', (how) => [
    facts({
      'JavaScript figures': silent ? `${duration(pulse.silence / 1000)} old` : undefined,
      Limit: pulse.limit && `${format.bytes(pulse.limitUsed)} of ${format.bytes(pulse.limit)}`,
      'Alert above': Number.isFinite(threshold) ? format.bytes(threshold) : undefined,
    }),
    chart(
      'Memory',
      [
        { name: 'Resident', points: pulses.map(({ timestamp, rss }) => [timestamp, rss]) },
        line('Heap used', ({ memoryUsage }) => memoryUsage.heapUsed),
        line('Heap', ({ memoryUsage }) => memoryUsage.heapTotal),
        line('External', ({ memoryUsage }) => memoryUsage.external),
        // One far above would flatten all others.
        ...(Number.isFinite(threshold) && threshold < 2 * highest
          ? [{ name: 'Alert', limit: true, points: pulses.map((at) => [at.timestamp, threshold]) }]
          : []),
      ],
      { ...how, unit: format.bytes },
    ),
  ])
  const busy = pulses.filter(({ cpu }) => cpu !== null)
  if (busy.length === 0) return
  card('cpu', 'Processors', (how) => [
    facts({ Threads: pulse.threads, Descriptors: pulse.fileDescriptors }),
    chart('Busy', [{ name: 'Busy', points: busy.map((at) => [at.timestamp, at.cpu * 100]) }], {
      ...how,
      unit: format.percent,
    }),
  ])
}

function drawLoadTest(id, { name, running, points }) {
  const sum = (pick) => points.reduce((total, point) => total + pick(point), 0)
  const last = points.at(-1)
  const over = (pick) => points.map((point) => [point.time, pick(point)])
  const inTest = { moment: (time) => duration(time / 1000), gap: Number.POSITIVE_INFINITY }
  const content = ({ width }) => [
    facts({
      State: running ? 'running' : 'ended',
      Time: last && duration(last.time / 1000),
      Requests: format.count(sum(({ requests }) => requests)),
      Errors: format.count(sum(({ errors }) => errors)),
      Workers: last?.activeWorkers,
      Received: format.bytes(sum(({ bytesReceived }) => bytesReceived)),
    }),
    ...(last
      ? [
          chart('Throughput', [{ name: 'Throughput', points: over((at) => at.throughput) }], {
            ...inTest,
            width,
            unit: format.perSecond,
          }),
          chart(
            'Latency',
            [
              { name: 'Median', points: over(({ p50 }) => p50) },
              { name: '99th percentile', points: over(({ p99 }) => p99) },
            ],
            { ...inTest, width, unit: format.milliseconds },
          ),
        ]
      : []),
  ]
  card(`load-${id}`, `Load test: ${name}`, content, 'prepend')
}

function drawCache(state) {
  const caches = ofType(state, 'cache')
  if (caches.length === 0) return
  const total = (pick) => caches.reduce((sum, source) => sum + (pick(source) ?? 0), 0)
  const hasDisk = caches.some(({ tiers }) => tiers.disk.entries !== undefined)
  card('cache', 'Cache', (how) => [
    facts({
      'Hit rate': format.percent(state.metrics.cacheHitRate * 100),
      'In memory': `${format.count(total(({ tiers }) => tiers.memory.entries))} entries`,
      'On disk': hasDisk
        ? `${format.count(total(({ tiers }) => tiers.disk.entries))} entries, ${format.bytes(total(({ tiers }) => tiers.disk.bytes))}`
        : undefined,
    }),
    chart(
      'Look-ups',
      [
        rate('Memory hits', 'cache', ({ tiers }) => tiers.memory.hits),
        rate('Disk hits', 'cache', ({ tiers }) => tiers.disk.hits),
        rate('Misses', 'cache', ({ stats }) => stats.misses),
      ],
      { ...how, unit: format.perSecond },
    ),
  ])
}

function drawRateLimit(state) {
  const limits = ofType(state, 'rateLimiter').filter(({ stats }) => stats)
  if (limits.length === 0) return
  card('rate-limit', 'Rate limit', () =>
    limits.flatMap(({ stats }) => {
      const { currentRequests, maxRequests } = stats
      const meter = element('meter', { min: 0, max: maxRequests, value: currentRequests })
      meter.setAttribute('aria-label', `${currentRequests} of ${maxRequests} requests`)
      return [...(maxRequests > 0 ? [meter] : []), facts(flat(stats))]
    }),
  )
}

function drawFiles(state) {
  const processors = ofType(state, 'fileProcessor')
  if (processors.length === 0) return
  const total = (pick) => processors.reduce((sum, { stats }) => sum + pick(stats), 0)
  const [{ stats: first }] = processors
  card('files', 'Files', (how) => [
    facts({
      Operations: format.count(total(({ totalOperations }) => totalOperations)),
      Failed: format.count(total(({ failedOperations }) => failedOperations)),
      Queued: format.count(total(({ queueLength }) => queueLength)),
      Moved: format.bytes(total(({ bytes }) => bytes)),
      'Mean time': format.milliseconds(first.averageProcessingTime),
      Concurrency: first.concurrency?.limit,
    }),
    chart(
      'Operations',
      [rate('Operations', 'fileProcessor', ({ stats }) => stats.totalOperations)],
      { ...how, unit: format.perSecond },
    ),
    chart('Bytes', [rate('Bytes', 'fileProcessor', ({ stats }) => stats.bytes)], {
      ...how,
      unit: format.bytesPerSecond,
    }),
  ])
}

function drawWindows({ windows }) {
  const rows = Object.entries(windows)
  if (rows.length === 0) return
  const row = (cell, [name, ...values]) =>
    element(
      'tr',
      {},
      element('th', { scope: cell === 'td' ? 'row' : 'col' }, name),
      ...values.map((value) => element(cell, {}, value)),
    )
  const figures = ({ count, rate, mean, p50, p95, p99, max }) =>
    [count, rate, mean, p50, p95, p99, max].map(format.count)
  card('windows', 'Metrics of the last minutes', () => [
    element(
      'div',
      { class: 'wide', tabindex: 0 },
      element(
        'table',
        {},
        row('th', ['Metric', 'Count', 'A second', 'Mean', 'p50', 'p95', 'p99', 'Most']),
        ...rows.map(([name, summary]) => row('td', [name, ...figures(summary)])),
      ),
    ),
  ])
}

function drawAlerts(state) {
  const ofMemory = ofType(state, 'memoryProfiler').flatMap(({ stats }) => stats.alerts)
  // The latest first; those of rules are told without their time.
  const alerts = [...ofMemory, ...state.alerts].reverse()
  const watched = state.sources.some(({ type }) => type === 'memoryProfiler')
  if (alerts.length === 0 && !watched) return
  const text = ({ type, metric, value, threshold }) => {
    if (type === 'threshold_exceeded') {
      const unit = ofMemoryMetric(metric) ? format.bytes : format.count
      return `${metric}: ${unit(value)} is above ${unit(threshold)}`
    }
    const words = type.replaceAll('_', ' ')
    return metric ? `${metric}: ${words}, ${format.count(value)}` : words
  }
  list('alerts', 'Alerts', alerts, text, 'None')
}

function ofMemoryMetric(metric) {
  return ['heapUsed', 'heapTotal', 'external', 'rss', 'memoryUsage'].includes(metric)
}

function drawTuning(state) {
  const decisions = ofType(state, 'tuner').flatMap(({ stats }) => stats.log)
  if (decisions.length === 0) return
  const text = ({ target, setting, from, to, reason }) =>
    `${target} ${setting}: ${format.count(from)} to ${format.count(to)}, ${reason}`
  list('tuning', 'Tuning', decisions.reverse(), text)
}

/** Items with a timestamp, the latest first. */
function list(id, title, items, text, nothing = '') {
  const shown = items.slice(0, 50).map((item) => ({ at: item.timestamp, text: text(item) }))
  // A list that is not new is left as the reader has scrolled it.
  const key = JSON.stringify(shown)
  const known = byId(id)
  if (known?.dataset.key === key) return
  const entry = ({ at, text }) =>
    element('li', {}, ...(at ? [element('time', {}, format.time(at))] : []), text)
  card(id, title, () => [
    shown.length > 0
      ? element('ul', { tabindex: 0 }, ...shown.map(entry))
      : element('p', {}, nothing),
  ])
  byId(id).dataset.key = key
}

function ofType(state, type) {
  return state?.sources.filter((source) => source.type === type) ?? []
}

/** A line of what states say. */
function line(name, pick) {
  return { name, points: states.map((state) => [state.timestamp, pick(state)]) }
}

/** A line of how fast a counter of all sources of a type grows. */
function rate(name, type, pick) {
  const count = (state) => ofType(state, type).reduce((sum, source) => sum + (pick(source) ?? 0), 0)
  const points = states.slice(1).map((state, index) => {
    const before = states[index]
    const seconds = Math.max(1, state.timestamp - before.timestamp) / 1000
    // A counter that was set back has not run backwards.
    return [state.timestamp, Math.max(0, count(state) - count(before)) / seconds]
  })
  return { name, points: points.length > 0 ? points : [[states[0].timestamp, 0]] }
}

/** Numbers and texts of an object and those in it, by readable names. */
function flat(object, prefix = '') {
  const pairs = Object.entries(object).flatMap(([key, value]) => {
    const words = key === 'github' ? 'GitHub' : key.replace(/([A-Z])/g, ' $1').toLowerCase()
    const name = `${prefix} ${value?.resource ?? words}`.trim()
    if (value !== null && typeof value === 'object') return Object.entries(flat(value, name))
    return [[name[0].toUpperCase() + name.slice(1), readable(key, value)]]
  })
  return Object.fromEntries(pairs)
}

function readable(key, value) {
  if (typeof value !== 'number') return value
  // GitHub counts seconds since the epoch.
  if (/^reset/.test(key)) return format.time(value > 1e11 ? value : value * 1000)
  return key === 'timeWindow' ? format.milliseconds(value) : format.count(value)
}

function duration(seconds) {
  if (seconds < 60) return `${seconds.toFixed(1)} s`
  const minutes = Math.floor(seconds / 60)
  return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`
}

/** Draws a card anew, a new one in its `place`; `content` is given what its charts need. */
function card(id, title, content, place = 'append') {
  let shown = byId(id)
  if (!shown) {
    shown = element('article', { id, 'aria-label': title })
    byId('cards')[place](shown)
  }
  const gap = 3 * (states.at(-1)?.interval ?? 1000)
  const width = Math.max(200, shown.clientWidth - 34)
  shown.replaceChildren(element('h2', {}, title), ...content({ width, gap }))
}
