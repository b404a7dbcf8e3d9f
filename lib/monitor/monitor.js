// @ts-check
'use strict'

const { setTimeout: sleep } = require('node:timers/promises')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { AlertSystem } = require('./alert-system.js')
const { attach } = require('./attachment.js')
const { openTelemetry } = require('./open-telemetry.js')

/** @import * as types from '../monitor.js' */
/** @import { Attachment, Observer } from './attachment.js' */

/** @implements {types.Monitor} */
class Monitor {
  #native
  #interval
  #alerts
  /** @type {Map<object, Attachment[]>} */
  #sources = new Map()
  #apiCalls = 0
  /** @type {types.LoadTestState | null} */
  #loadTest = null

  /** @param {types.MonitorOptions} [options] */
  constructor(options = {}) {
    const { window, interval, alerts } = args.object('options', options)
    this.#alerts = alerts && args.instance('options.alerts', alerts, AlertSystem)
    this.#native = new native.NativeMonitor(
      args.number('options.window', window || 60_000, 60, 2 ** 31 - 1),
    )
    this.#interval = args.number('options.interval', interval || 1000, 1, 2 ** 31 - 1)
  }

  /** @param {types.Source} source */
  attach(source) {
    if (this.#sources.has(source)) return this
    this.#sources.set(source, attach(source, this.#observer))
    return this
  }

  /** @param {types.Source} source */
  detach(source) {
    for (const { detach } of this.#sources.get(source) ?? []) detach()
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
    this.#alerts?.check({ [metric]: value })
    this.#alerts?.observe(metric, value)
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
      windows: this.#native.summaries(),
      sources: this.#attachments().map(({ type, stats }) => ({ type, stats: stats() })),
      loadTest: this.#loadTest,
    }
  }

  toPrometheus() {
    const gauges = Object.entries(this.#gauges()).map(([name, value]) => ({ name, value }))
    return this.#native.prometheus(gauges)
  }

  /** @returns {types.OpenTelemetryMetrics} */
  toOpenTelemetry() {
    return openTelemetry(this.#gauges(), this.#native.summaries())
  }

  async *[Symbol.asyncIterator]() {
    while (true) {
      yield this.generateDashboardData()
      await sleep(this.#interval)
    }
  }

  /** @type {Observer} */
  #observer = {
    onFetch: (durationMs) => {
      this.#apiCalls++
      this.record('responseTime', durationMs)
    },
    onLoad: (name, point) => {
      this.#loadTest = { name, point }
    },
  }

  #attachments() {
    return [...this.#sources.values()].flat()
  }

  /** @param {types.SourceType} wanted */
  #stats(wanted) {
    const found = this.#attachments().filter(({ type }) => type === wanted)
    return found.map(({ stats }) => stats())
  }

  #cacheHitRate() {
    const all = this.#stats('cache')
    const hits = all.reduce((sum, stats) => sum + stats.hits, 0)
    const lookUps = all.reduce((sum, stats) => sum + stats.hits + stats.misses, 0)
    return lookUps > 0 ? hits / lookUps : 0
  }

  #gauges() {
    const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
    return {
      uptimeSeconds: process.uptime(),
      memoryRssBytes: rss,
      memoryHeapUsedBytes: heapUsed,
      memoryHeapTotalBytes: heapTotal,
      memoryExternalBytes: external,
      apiCalls: this.#apiCalls,
      cacheHitRate: this.#cacheHitRate(),
    }
  }
}

module.exports = { Monitor }
