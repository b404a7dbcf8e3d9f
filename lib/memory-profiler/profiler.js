// @ts-check
'use strict'

const { EventEmitter } = require('node:events')

const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { collectGarbage } = require('./collections.js')
const { ObjectLeakDetector } = require('./object-leak-detector.js')
const options = require('./options.js')
const { isReplaced, readPeak, readSample } = require('./readings.js')
const { difference, eventLoopDelay, statistics } = require('./report.js')
const { Session } = require('./session.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { NativeAlertGates } from '../../binding.js' */
/** @typedef {InstanceType<typeof Session>} RunningSession */

/** Alerts that a report shows. */
const REPORTED_ALERTS = 10

const fewestSamples = native.fewestSamples()

/**
 * @extends {EventEmitter<{ alert: [alert: types.MemoryAlert] }>}
 * @implements {types.MemoryProfiler}
 */
class MemoryProfiler extends EventEmitter {
  #samplingInterval
  #maxSamples
  #leakRule
  #pss
  /** Holds alerts back; without it each is told. @type {NativeAlertGates | undefined} */
  #gates
  /** What runs while profiling. @type {RunningSession | undefined} */
  #session
  /** Counts of the latest session. @type {RunningSession['collections'] | undefined} */
  #collections
  /** Samples that were taken here, and so have the time of their figures. */
  #taken = new WeakSet()
  /** Until when samples that are taken by hand are not judged again. */
  #judgedUntil = 0
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

  /** @param {types.MemoryProfilerOptions} [settings] */
  constructor(settings = {}) {
    super()
    args.object('options', settings)
    this.#samplingInterval = options.samplingInterval(settings.samplingInterval || 1000)
    this.#maxSamples = options.maxSamples(settings.maxSamples || 1000)
    this.#leakRule = options.leakRule(settings.leakDetection)
    this.#pss = Boolean(settings.pss)
    const { interval, hysteresis } = options.alertRule(settings)
    if (interval || hysteresis) this.#gates = new native.NativeAlertGates(interval, hysteresis)
    this.thresholds = options.thresholds(settings)
    /** @type {types.MemoryProfilerOptions['alertCallback']} */
    this.alertCallback = settings.alertCallback
      ? args.callback('alertCallback', settings.alertCallback)
      : undefined
    this.silent = Boolean(settings.silent)
  }

  get samplingInterval() {
    return this.#samplingInterval
  }

  set samplingInterval(value) {
    this.#samplingInterval = options.samplingInterval(value)
  }

  get maxSamples() {
    return this.#maxSamples
  }

  set maxSamples(value) {
    this.#maxSamples = options.maxSamples(value)
  }

  get profiling() {
    return this.#session !== undefined
  }

  get peak() {
    return readPeak()
  }

  startProfiling() {
    if (this.#session) return
    const settings = {
      interval: this.#samplingInterval,
      capacity: this.#maxSamples,
      pss: this.#pss,
      leakRule: this.#leakRule,
    }
    this.#session = new Session(settings, readSample(), {
      takeSample: () => this.takeSample(),
      addStale: (sample) => {
        this.#append(sample)
        this.checkThresholds(sample)
      },
    })
    this.#collections = this.#session.collections
    this.#suspicion = undefined
    if (!this.silent) console.log('Memory profiling started')
  }

  stopProfiling() {
    if (!this.#session) return
    this.#session.stop()
    this.#session = undefined
    if (!this.silent) console.log('Memory profiling stopped')
  }

  takeSample() {
    const sample = readSample()
    this.#session?.complete(sample)
    // Figures that somebody made are judged as such.
    if (!isReplaced()) this.#taken.add(sample)
    this.#append(sample)
    this.checkThresholds(sample)
    this.detectMemoryLeaks(sample)
    return sample
  }

  /** @param {types.MemorySample} sample */
  #append(sample) {
    this.samples.push(sample)
    dropOldest(this.samples, this.#maxSamples)
  }

  /** @param {types.MemorySample} sample */
  checkThresholds(sample) {
    /** @type {types.ThresholdAlert[]} */
    const alerts = []
    const { timestamp } = sample
    for (const metric in this.thresholds) {
      // Old figures were checked when they were new.
      if (sample.heapStale && metric !== 'rss') continue
      const name = /** @type {keyof types.MemoryThresholds} */ (metric)
      const threshold = options.thresholdBytes(metric, this.thresholds[name] ?? Infinity)
      const value = sample.memory[name]
      const told = this.#gates
        ? this.#gates.exceeds(metric, value, threshold, timestamp)
        : value > threshold
      if (told) alerts.push({ type: 'threshold_exceeded', metric, value, threshold, timestamp })
    }
    if (alerts.length > 0) this.#raise(alerts)
  }

  /** @param {types.MemorySample} sample */
  detectMemoryLeaks(sample) {
    if (this.#session) {
      const leak = this.#session.judge(sample)
      if (leak) this.#suspect(leak, sample.timestamp)
      return
    }
    if (this.samples.length < fewestSamples || this.#judgedJustNow(sample)) return
    const trend = this.#steadyGrowth(sample)
    if (trend) this.#suspect(trend, sample.timestamp)
  }

  /**
   * Samples taken by hand are judged once in the interval: a loop that takes them faster sees only garbage pile up.
   *
   * @param {types.MemorySample} sample
   */
  #judgedJustNow(sample) {
    if (!this.#taken.has(sample)) return false
    if (sample.timestamp < this.#judgedUntil) return true
    this.#judgedUntil = sample.timestamp + this.#samplingInterval
    return false
  }

  /**
   * @param {Omit<types.LeakAlert, 'type' | 'timestamp'>} growth
   * @param {number} timestamp
   */
  #suspect(growth, timestamp) {
    /** @type {types.LeakAlert} */
    const alert = { type: 'memory_leak_suspected', ...growth, timestamp }
    if (this.#session) this.#suspicion = alert
    if (this.#gates?.exceeds(alert.type, 1, 0, timestamp) ?? true) this.#raise([alert])
  }

  /**
   * The growth of the samples up to this one, if it is steady: of those taken here, one an interval, or else of those
   * that a caller made, whose time may mean nothing. Old figures say nothing about the heap.
   *
   * @param {types.MemorySample} last
   */
  #steadyGrowth(last) {
    const taken = this.#taken.has(last)
    const figures = this.samples
      .filter((sample) => !sample.heapStale && this.#taken.has(sample) === taken)
      .flatMap(({ timestamp, memory: { heapUsed, heapTotal, external = 0, rss } }) => [
        timestamp,
        heapUsed,
        heapTotal,
        external,
        rss,
      ])
    return native.steadyGrowth(Float64Array.from(figures), taken ? this.#samplingInterval : 0)
  }

  /** @param {types.MemoryAlert[]} alerts */
  #raise(alerts) {
    this.alerts.push(...alerts)
    dropOldest(this.alerts, this.#maxSamples)
    this.triggerAlerts(alerts)
    for (const alert of alerts) this.emit('alert', alert)
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
    const above = (/** @type {'heapUsed' | 'external'} */ metric, /** @type {number} */ value) =>
      value > options.thresholdBytes(metric, this.thresholds[metric])
    const heapAbove = above('heapUsed', heapUsed)
    const externalAbove = above('external', external)
    return /** @type {types.MemorySuggestion[]} */ (
      native.memorySuggestions(heapAbove, externalAbove, this.#heapTrend())
    )
  }

  #heapTrend() {
    if (this.#suspicion) return this.#suspicion.heapTrend
    const last = this.samples.at(-1)
    if (!last || this.samples.length < fewestSamples) {
      return this.calculateTrend(this.samples.map(({ memory }) => memory.heapUsed))
    }
    return this.#steadyGrowth(last)?.heapTrend ?? 0
  }

  forceGarbageCollection() {
    const before = process.memoryUsage()
    collectGarbage()
    const after = process.memoryUsage()
    const { arrayBuffers: _, ...freed } = difference(after, before)
    return { before, after, freed }
  }

  /** @returns {types.MemoryReport} */
  generateReport() {
    const gc = this.#collections?.report()
    const delay = eventLoopDelay(this.samples)
    return {
      timestamp: Date.now(),
      current: process.memoryUsage(),
      peak: this.peak,
      statistics: statistics(this.samples),
      alerts: this.alerts.slice(-REPORTED_ALERTS),
      suggestions: this.getOptimizationSuggestions(),
      snapshots: [...this.snapshots.keys()],
      ...(gc && { gc }),
      ...(delay && { eventLoopDelay: delay }),
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

/**
 * @param {unknown[]} array
 * @param {number} most
 */
function dropOldest(array, most) {
  if (array.length > most) array.splice(0, array.length - most)
}

module.exports = { MemoryProfiler }
