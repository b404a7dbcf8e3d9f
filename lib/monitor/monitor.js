// @ts-check
'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { AlertSystem } = require('./alert-system.js')
const { attach, partsOf } = require('./attachment.js')
const { DashboardServer } = require('./dashboard.js')
const { LoadTests } = require('./load-tests.js')
const { openTelemetry } = require('./open-telemetry.js')

/** @import * as types from '../monitor.js' */
/** @import { Attachment, Observer } from './attachment.js' */

/** What is known besides the metrics that are recorded. @satisfies {Record<string, 'gauge' | 'counter'>} */
const FIGURES = /** @type {const} */ ({
  uptimeSeconds: 'gauge',
  memoryRssBytes: 'gauge',
  memoryHeapUsedBytes: 'gauge',
  memoryHeapTotalBytes: 'gauge',
  memoryExternalBytes: 'gauge',
  cacheHitRate: 'gauge',
  apiCalls: 'counter',
})

/** @implements {types.Monitor} */
class Monitor {
  #started = Date.now()
  #native
  #interval
  #alerts
  /** The parts of each attached object. @type {Map<object, object[]>} */
  #sources = new Map()
  /** By part, with how many attached objects have it. @type {Map<object, Attachment & { owners: number }>} */
  #attachments = new Map()
  #apiCalls = 0
  /** Of the clients' stores of responses, since they were attached. */
  #stored = { hits: 0, lookUps: 0 }
  #loadTests = new LoadTests()
  /** @type {string | undefined} */
  #lastWarning

  /** @param {types.MonitorOptions} [options] */
  constructor(options = {}) {
    const { window = 60_000, interval = 1000, alerts } = args.object('options', options)
    if (alerts !== undefined) args.instance('options.alerts', alerts, AlertSystem)
    this.#alerts = alerts
    this.#native = new native.NativeMonitor(
      args.number('options.window', window, 60, 2 ** 31 - 1),
      Object.keys(FIGURES),
    )
    this.#interval = args.number('options.interval', interval, 1, 2 ** 31 - 1)
  }

  /** @param {types.Source} source */
  attach(source) {
    if (this.#sources.has(source)) return this
    const parts = partsOf(source)
    for (const part of parts) {
      const known = this.#attachments.get(part)
      if (known) known.owners++
      else this.#attachments.set(part, { ...attach(part, this.#observer), owners: 1 })
    }
    this.#sources.set(source, parts)
    return this
  }

  /** @param {types.Source} source */
  detach(source) {
    for (const part of this.#sources.get(source) ?? []) {
      const attachment = this.#attachments.get(part)
      if (!attachment || --attachment.owners > 0) continue
      attachment.detach()
      this.#attachments.delete(part)
    }
    return this.#sources.delete(source)
  }

  /**
   * @param {string} metric
   * @param {number} value
   */
  record(metric, value) {
    args.string('metric', metric)
    args.number('value', value, 0, Number.MAX_VALUE)
    if (!this.#native.record(metric, value)) {
      throw args.outOfRange('metric', 'one of the 1000 names used before', metric)
    }
    try {
      this.#alerts?.check({ [metric]: value })
    } finally {
      this.#alerts?.observe(metric, Math.min(value, Number.MAX_SAFE_INTEGER))
    }
  }

  /**
   * @param {string} metric
   * @returns {types.MetricSummary | null}
   */
  summary(metric) {
    return this.#native.summary(args.string('metric', metric))
  }

  /** @returns {types.LiveMetrics} */
  get metrics() {
    return {
      apiCalls: this.#apiCalls,
      cacheHitRate: this.#cacheHitRate(),
      memoryUsage: process.memoryUsage().heapUsed,
      responseTime: this.summary('responseTime')?.mean ?? 0,
    }
  }

  /** @returns {types.DashboardData} */
  generateDashboardData() {
    return {
      timestamp: Date.now(),
      uptime: process.uptime(),
      memoryUsage: process.memoryUsage(),
      cacheStats: this.#stats('cache')[0] ?? null,
      processingStats: this.#stats('fileProcessor')[0] ?? null,
      metrics: this.metrics,
      windows: this.#windows(),
      sources: [...this.#attachments.values()].map(({ type, read }) => ({ type, ...read() })),
      loadTest: this.#loadTests.latest,
      loadTests: this.#loadTests.states,
      alerts: this.#alerts?.history.slice(-10) ?? [],
    }
  }

  /** @param {types.ServeOptions} [options] */
  async serve(options = {}) {
    const refresh = async () => {
      const slow = [...this.#attachments.values()].map(({ refresh }) => refresh?.())
      await Promise.allSettled(slow)
    }
    return await DashboardServer.start(this, this.#loadTests, refresh, options)
  }

  toPrometheus() {
    const of = (/** @type {string} */ wanted) =>
      this.#figures().filter(({ kind }) => kind === wanted)
    return this.#native.prometheus(of('gauge'), of('counter'))
  }

  /** @returns {types.OpenTelemetryMetrics} */
  toOpenTelemetry() {
    return openTelemetry(this.#started, this.#figures(), this.#native.known())
  }

  [Symbol.asyncIterator]() {
    const ending = new AbortController()
    const values = this.#values(ending.signal)
    const end = values.return.bind(values)
    // A generator that waits would only look at its end afterwards.
    values.return = (value) => {
      ending.abort()
      return end(value)
    }
    return values
  }

  /**
   * @param {AbortSignal} signal
   * @returns {AsyncGenerator<types.DashboardData, void, unknown>}
   */
  async *#values(signal) {
    while (!signal.aborted) {
      yield this.generateDashboardData()
      await sleep(this.#interval, undefined, { signal }).catch(() => {})
    }
  }

  /** @type {Observer} */
  #observer = {
    onFetch: (durationMs) => {
      this.#apiCalls++
      try {
        this.record('responseTime', durationMs)
      } catch (error) {
        this.#warn(String(/** @type {any} */ (error)?.message ?? error))
      }
    },
    onLookUp: (stored) => {
      this.#stored.lookUps++
      if (stored) this.#stored.hits++
    },
    onLoadTest: (name) => this.#loadTests.begin(name),
  }

  /** Once of the same in a row: it may be so for each request. @param {string} message */
  #warn(message) {
    if (message === this.#lastWarning) return
    this.#lastWarning = message
    process.emitWarning(`A response time was not recorded, or an alert not told: ${message}`, {
      type: 'MonitorWarning',
      code: 'AIWF_MONITOR_RESPONSE_TIME',
    })
  }

  /** @param {types.SourceType} wanted */
  #stats(wanted) {
    const found = [...this.#attachments.values()].filter(({ type }) => type === wanted)
    return found.map(({ read }) => read().stats)
  }

  #cacheHitRate() {
    const all = this.#stats('cache')
    let { hits, lookUps } = this.#stored
    for (const stats of all) {
      hits += stats.hits
      lookUps += stats.hits + stats.misses
    }
    return lookUps > 0 ? hits / lookUps : 0
  }

  #windows() {
    const known = this.#native.known()
    return Object.fromEntries(known.flatMap(({ name, window }) => (window ? [[name, window]] : [])))
  }

  #figures() {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    /** @type {Record<keyof typeof FIGURES, number>} */
    const values = {
      uptimeSeconds: process.uptime(),
      memoryRssBytes: rss,
      memoryHeapUsedBytes: heapUsed,
      memoryHeapTotalBytes: heapTotal,
      memoryExternalBytes: external,
      cacheHitRate: this.#cacheHitRate(),
      apiCalls: this.#apiCalls,
    }
    return Object.entries(values).map(([name, value]) => ({
      name,
      value,
      kind: FIGURES[/** @type {keyof typeof FIGURES} */ (name)],
    }))
  }
}

module.exports = { Monitor }
