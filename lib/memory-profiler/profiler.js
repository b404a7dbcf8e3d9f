// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { ObjectLeakDetector } = require('./object-leak-detector.js')
const { collectGarbage, observeFloors, readPeak, readSample } = require('./readings.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { NativeLeakDetector, NativeMemorySampler } from '../../binding.js' */

const MIB = 1024 * 1024
const METRICS = /** @type {const} */ (['heapUsed', 'heapTotal', 'external', 'rss'])
/** Samples that statistics cover, and alerts that a report shows. */
const STATISTICS_WINDOW = 100
const REPORTED_ALERTS = 10

const growthWindow = native.growthWindow()
const fewestSamples = native.fewestSamples()

/** @implements {types.MemoryProfiler} */
class MemoryProfiler {
  #samplingInterval
  #maxSamples
  /**
   * What runs while profiling.
   *
   * @type {{ sampler: NativeMemorySampler, leaks: NativeLeakDetector,
   *   floors: import('node:perf_hooks').PerformanceObserver } | undefined}
   */
  #running
  /** The latest sample with V8's figures. @type {types.MemorySample | undefined} */
  #latest
  /** Samples of a running profiler: these are judged by the floors, not by themselves. */
  #beats = new WeakSet()
  /** The latest suspicion of this run. @type {types.LeakAlert | undefined} */
  #suspicion

  /** @type {types.MemorySample[]} */
  samples = []
  /** @type {types.MemoryAlert[]} */
  alerts = []
  /** @type {Map<string, types.MemorySnapshot>} */
  snapshots = new Map()
  /** @type {types.ObjectLeakDetector} */
  objectLeakDetector = new ObjectLeakDetector()

  /** @param {types.MemoryProfilerOptions} [options] */
  constructor(options = {}) {
    args.object('options', options)
    this.#samplingInterval = interval(options.samplingInterval || 1000)
    this.#maxSamples = args.integer('maxSamples', options.maxSamples || 1000, 1)
    this.thresholds = {
      heapUsed: bytes('heapThreshold', options.heapThreshold || 100 * MIB),
      heapTotal: bytes('heapTotalThreshold', options.heapTotalThreshold || 200 * MIB),
      external: bytes('externalThreshold', options.externalThreshold || 50 * MIB),
      rss: bytes('rssThreshold', options.rssThreshold || 500 * MIB),
    }
    /** @type {types.MemoryProfilerOptions['alertCallback']} */
    this.alertCallback = options.alertCallback
      ? args.callback('alertCallback', options.alertCallback)
      : undefined
    this.silent = Boolean(options.silent)
  }

  get samplingInterval() {
    return this.#samplingInterval
  }

  set samplingInterval(value) {
    this.#samplingInterval = interval(value)
  }

  get maxSamples() {
    return this.#maxSamples
  }

  set maxSamples(value) {
    this.#maxSamples = args.integer('maxSamples', value, 1)
  }

  get profiling() {
    return this.#running !== undefined
  }

  get peak() {
    return readPeak()
  }

  startProfiling() {
    if (this.#running) return
    this.#latest = readSample()
    this.#suspicion = undefined
    const sampler = new native.NativeMemorySampler(
      () => this.#takeBeats(sampler),
      this.#samplingInterval,
      this.#maxSamples,
    )
    const leaks = new native.NativeLeakDetector(this.#latest.timestamp, this.#samplingInterval)
    const floors = observeFloors((timestamp, heapUsed, external) => {
      leaks.floor(timestamp, heapUsed, external, this.#latest?.memory.rss ?? 0)
    })
    this.#running = { sampler, leaks, floors }
    if (!this.silent) console.log('Memory profiling started')
  }

  stopProfiling() {
    if (!this.#running) return
    const { sampler, floors } = this.#running
    this.#running = undefined
    floors.disconnect()
    sampler.stop()
    if (!this.silent) console.log('Memory profiling stopped')
  }

  takeSample() {
    const sample = readSample()
    this.#latest = sample
    this.#append(sample)
    this.checkThresholds(sample)
    this.detectMemoryLeaks(sample)
    return sample
  }

  /**
   * Turns the thread's beats into samples. Only the last one can have V8's figures of its time; the others
   * passed while the event loop was blocked.
   *
   * @param {NativeMemorySampler} sampler
   */
  #takeBeats(sampler) {
    const beats = sampler.drain()
    if (beats.length === 0) return
    for (let index = 0; index < beats.length - 2; index += 2) {
      if (this.#running?.sampler !== sampler) return
      this.#addStale(beats[index], beats[index + 1])
    }
    if (this.#running?.sampler === sampler) this.takeSample()
  }

  /**
   * @param {number} timestamp
   * @param {number} rss
   */
  #addStale(timestamp, rss) {
    const known = /** @type {types.MemorySample} */ (this.#latest)
    const memory = { ...known.memory, rss }
    /** @type {types.MemorySample} */
    const sample = {
      timestamp,
      memory,
      performance: { ...known.performance },
      gc: { ...known.gc },
      heapStale: true,
    }
    this.#append(sample)
    this.checkThresholds(sample)
  }

  /** @param {types.MemorySample} sample */
  #append(sample) {
    if (this.#running) this.#beats.add(sample)
    this.samples.push(sample)
    dropOldest(this.samples, this.#maxSamples)
  }

  /** @param {types.MemorySample} sample */
  checkThresholds(sample) {
    /** @type {types.ThresholdAlert[]} */
    const alerts = []
    for (const [metric, threshold] of Object.entries(this.thresholds)) {
      // Old figures were checked when they were new.
      if (sample.heapStale && metric !== 'rss') continue
      const value = sample.memory[/** @type {keyof types.MemoryThresholds} */ (metric)]
      if (value > threshold) {
        const { timestamp } = sample
        alerts.push({ type: 'threshold_exceeded', metric, value, threshold, timestamp })
      }
    }
    if (alerts.length > 0) this.#raise(alerts)
  }

  /** @param {types.MemorySample} sample */
  detectMemoryLeaks(sample) {
    if (this.samples.length < fewestSamples) return
    const trend = this.#running
      ? this.#running.leaks.suspect(sample.timestamp, this.#readings(growthWindow))
      : this.#steadyGrowth()
    if (!trend) return
    const { timestamp } = sample
    /** @type {types.LeakAlert} */
    const alert = { type: 'memory_leak_suspected', ...trend, timestamp }
    if (this.#running) this.#suspicion = alert
    this.#raise([alert])
  }

  /** The growth of the samples that no running profiler took, if it is steady. */
  #steadyGrowth() {
    // Older samples can only speak against a leak, so most of the time the latest are enough.
    const trend = native.steadyGrowth(this.#readings(growthWindow))
    return trend && native.steadyGrowth(this.#readings(this.samples.length))
  }

  /**
   * The latest samples as native code reads them, taken by the running profiler or, if none runs, by hand.
   * Those with old figures say nothing about the heap.
   *
   * @param {number} most
   */
  #readings(most) {
    const figures = []
    for (let index = this.samples.length - 1; index >= 0 && figures.length < 4 * most; index--) {
      const sample = this.samples[index]
      if (sample.heapStale || this.#beats.has(sample) !== this.profiling) continue
      const { rss, external = 0, heapUsed } = sample.memory
      figures.push(rss, external, heapUsed, sample.timestamp)
    }
    return Float64Array.from(figures).reverse()
  }

  /** @param {types.MemoryAlert[]} alerts */
  #raise(alerts) {
    this.alerts.push(...alerts)
    dropOldest(this.alerts, this.#maxSamples)
    this.triggerAlerts(alerts)
  }

  /** @param {types.MemoryAlert[]} alerts */
  triggerAlerts(alerts) {
    if (this.alertCallback) this.alertCallback(alerts)
    else for (const alert of alerts) console.warn(`Memory Alert: ${alert.type}`, alert)
  }

  /** @param {ArrayLike<number>} values */
  calculateTrend(values) {
    args.object('values', values)
    const first = values[0]
    const last = values[values.length - 1]
    return values.length < 2 || first === last ? 0 : (last - first) / first
  }

  /**
   * @param {string} label
   * @returns {types.MemorySnapshot}
   */
  createSnapshot(label) {
    const snapshot = {
      label: args.string('label', label),
      timestamp: Date.now(),
      memory: process.memoryUsage(),
      objectCounts: this.objectLeakDetector.getObjectCounts(),
    }
    this.snapshots.set(label, snapshot)
    return snapshot
  }

  /**
   * @param {string} label1
   * @param {string} label2
   * @returns {types.SnapshotComparison}
   */
  compareSnapshots(label1, label2) {
    const before = this.snapshots.get(args.string('label1', label1))
    const after = this.snapshots.get(args.string('label2', label2))
    if (!before || !after) {
      const error = new Error('Snapshot not found')
      throw Object.assign(error, {
        code: 'ERR_AIWF_SNAPSHOT_NOT_FOUND',
        label: before ? label2 : label1,
      })
    }
    return {
      timeDiff: after.timestamp - before.timestamp,
      memoryDiff: difference(before.memory, after.memory),
      objectDiff: difference(before.objectCounts, after.objectCounts),
    }
  }

  /** @returns {types.MemorySuggestion[]} */
  getOptimizationSuggestions() {
    const { heapUsed, external } = process.memoryUsage()
    const heapAbove = heapUsed > this.thresholds.heapUsed
    const externalAbove = external > this.thresholds.external
    return /** @type {types.MemorySuggestion[]} */ (
      native.memorySuggestions(heapAbove, externalAbove, this.#heapTrend())
    )
  }

  #heapTrend() {
    if (this.#suspicion) return this.#suspicion.heapTrend
    if (this.samples.length >= fewestSamples) return this.#steadyGrowth()?.heapTrend ?? 0
    return this.calculateTrend(this.samples.map(({ memory }) => memory.heapUsed))
  }

  forceGarbageCollection() {
    const before = process.memoryUsage()
    collectGarbage()
    const after = process.memoryUsage()
    const freed = {
      heapUsed: before.heapUsed - after.heapUsed,
      heapTotal: before.heapTotal - after.heapTotal,
      external: before.external - after.external,
      rss: before.rss - after.rss,
    }
    return { before, after, freed }
  }

  /** @returns {types.MemoryReport} */
  generateReport() {
    return {
      timestamp: Date.now(),
      current: process.memoryUsage(),
      peak: this.peak,
      statistics: statistics(this.samples.slice(-STATISTICS_WINDOW)),
      alerts: this.alerts.slice(-REPORTED_ALERTS),
      suggestions: this.getOptimizationSuggestions(),
      snapshots: [...this.snapshots.keys()],
    }
  }

  /** @param {string} filePath */
  async saveReport(filePath) {
    args.string('filePath', filePath)
    const text = JSON.stringify(this.generateReport(), null, 2)
    await traced(promised((ticket) => native.saveReport(settler, ticket, filePath, text)))
    return filePath
  }

  /** @param {number} [duration] */
  async monitor(duration = 60000) {
    args.number('duration', duration, 0, 2 ** 31 - 1)
    const started = !this.profiling
    this.startProfiling()
    await new Promise((resolve) => setTimeout(resolve, duration))
    if (started) this.stopProfiling()
    return this.generateReport()
  }
}

/** @param {unknown} value */
function interval(value) {
  return args.number('samplingInterval', value, 1, 2 ** 31 - 1)
}

/**
 * @param {string} name
 * @param {unknown} value
 */
function bytes(name, value) {
  return args.number(name, value, 0, Number.POSITIVE_INFINITY)
}

/**
 * @param {unknown[]} array
 * @param {number} most
 */
function dropOldest(array, most) {
  if (array.length > most) array.splice(0, array.length - most)
}

/**
 * Field by field; a field that one side lacks counts as 0 there.
 *
 * @template {object} T
 * @param {T} before
 * @param {T} after
 * @returns {T}
 */
function difference(before, after) {
  const changes = new Map(Object.entries(before).map(([key, value]) => [key, 0 - value]))
  for (const [key, value] of Object.entries(after))
    changes.set(key, value + (changes.get(key) ?? 0))
  return /** @type {T} */ (Object.fromEntries(changes))
}

/**
 * @param {types.MemorySample[]} samples
 * @returns {types.MemoryReport['statistics']}
 */
function statistics(samples) {
  if (samples.length === 0) return {}
  const entries = METRICS.map((metric) => {
    const values = samples.map(({ memory }) => memory[metric])
    const sum = values.reduce((total, value) => total + value, 0)
    const range = { min: Math.min(...values), max: Math.max(...values) }
    return [metric, { ...range, avg: sum / values.length }]
  })
  return Object.fromEntries(entries)
}

module.exports = { MemoryProfiler }
