// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const { inspect } = require('node:util')

const args = require('../internal/arguments.js')
const { traced } = require('../internal/errors.js')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { dropOldest } = require('./bounded.js')
const { collectGarbage } = require('./collections.js')
const { prometheus } = require('./metrics.js')
const { ObjectLeakDetector } = require('./object-leak-detector.js')
const options = require('./options.js')
const { isReplaced, readPeak, readSample, usageNow } = require('./readings.js')
const { difference, eventLoopDelay, measured, statistics } = require('./report.js')
const { reportPage } = require('./report-page.js')
const { FEWEST, SampleGrowth } = require('./sample-growth.js')
const { Session } = require('./session.js')
const { Snapshots } = require('./snapshots.js')
const { samplesOf } = require('./stream.js')
const { Visits } = require('./visits.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { NativeAlertGates } from '../../binding.js' */
/** @typedef {InstanceType<typeof Session>} RunningSession */

/** Alerts that a report shows. */
const REPORTED_ALERTS = 10

/**
 * @extends {EventEmitter<types.MemoryProfilerEvents>}
 * @implements {types.MemoryProfiler}
 */
class MemoryProfiler extends EventEmitter {
  #samplingInterval
  #maxSamples
  #leakRule
  #pss
  /** Hold alerts back; without one each is told. @type {NativeAlertGates | undefined} */
  #gates
  /** @type {NativeAlertGates | undefined} */
  #leakGates
  /** What runs while profiling. @type {RunningSession | undefined} */
  #session
  /** Counts of the latest session. @type {RunningSession['collections'] | undefined} */
  #collections
  /** Of samples taken without profiling. */
  #growth = new SampleGrowth()
  #snapshots = new Snapshots()
  /** How often each type of alert was raised. @type {Map<string, number>} */
  #alertCounts = new Map()
  #visits = new Visits(this)
  /** Thresholds that are none and were told. @type {Set<string>} */
  #warned = new Set()
  /** The latest suspicion of this run. @type {types.LeakAlert | undefined} */
  #suspicion

  /** @type {types.MemorySample[]} */
  samples = []
  /** @type {types.MemoryAlert[]} */
  alerts = []
  snapshots = this.#snapshots.byLabel
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
    // A leak is no value that falls below a threshold again.
    if (interval) this.#leakGates = new native.NativeAlertGates(interval, 0)
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
    this.#visits.giveUp()
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
    this.emit('stop')
  }

  takeSample() {
    const sample = readSample()
    const anomalies = this.#session?.complete(sample) ?? []
    // Figures that somebody made are judged as such.
    if (!isReplaced()) this.#growth.addTaken(sample, this.#maxSamples)
    this.#append(sample)
    this.checkThresholds(sample)
    this.detectMemoryLeaks(sample)
    for (const anomaly of anomalies) this.emit('anomaly', anomaly)
    return sample
  }

  /** @param {types.MemorySample} sample */
  #append(sample) {
    this.samples.push(sample)
    dropOldest(this.samples, this.#maxSamples)
    this.emit('sample', sample)
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
      const given = this.thresholds[name] ?? Infinity
      const threshold = options.thresholdBytes(metric, given)
      if (threshold === undefined) {
        this.#warn(metric, given)
        continue
      }
      const value = sample.memory[name]
      if (!Number.isFinite(value)) continue
      const told = this.#gates
        ? this.#gates.exceeds(metric, value, threshold, timestamp)
        : value > threshold
      if (told) alerts.push({ type: 'threshold_exceeded', metric, value, threshold, timestamp })
    }
    if (alerts.length > 0) this.#raise(alerts)
  }

  /**
   * The program goes on: it may not even know that it is being profiled.
   *
   * @param {string} metric
   * @param {unknown} given
   */
  #warn(metric, given) {
    if (this.#warned.has(metric)) return
    this.#warned.add(metric)
    console.warn(
      `thresholds.${metric} is neither bytes nor a share such as '80%': ${inspect(given)}`,
    )
  }

  /** @param {types.MemorySample} sample */
  detectMemoryLeaks(sample) {
    if (this.#session) {
      const leak = this.#session.judge(sample)
      if (leak) this.#suspect(leak, sample.timestamp)
      return
    }
    if (!this.#growth.isDue(sample, this.#samplingInterval)) return
    const trend = this.#growth.of(this.samples, this.#samplingInterval)
    if (trend) this.#suspect(trend, sample.timestamp)
  }

  /**
   * @param {Omit<types.LeakAlert, 'type' | 'timestamp'>} growth
   * @param {number} timestamp
   */
  #suspect(growth, timestamp) {
    /** @type {types.LeakAlert} */
    const alert = { type: 'memory_leak_suspected', ...growth, timestamp }
    if (this.#session) this.#suspicion = alert
    const gate = `${alert.level} ${alert.memory}`
    if (this.#leakGates?.exceeds(gate, 1, 0, timestamp) ?? true) this.#raise([alert])
  }

  /** @param {types.MemoryAlert[]} alerts */
  #raise(alerts) {
    this.alerts.push(...alerts)
    dropOldest(this.alerts, this.#maxSamples)
    for (const { type } of alerts)
      this.#alertCounts.set(type, (this.#alertCounts.get(type) ?? 0) + 1)
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
   * @param {types.SnapshotOptions} [options]
   * @returns {any} the snapshot, or a promise of it with the heap
   */
  createSnapshot(label, options = {}) {
    return this.#snapshots.create(label, this.objectLeakDetector.getObjectCounts(), options)
  }

  /**
   * @param {string} label1
   * @param {string} label2
   */
  compareSnapshots(label1, label2) {
    return this.#snapshots.compare(label1, label2)
  }

  /** @returns {types.MemorySuggestion[]} */
  getOptimizationSuggestions() {
    const suggestions = native.memorySuggestions({
      ...measured(this.samples, this.thresholds),
      heapTrend: this.#heapTrend(),
      leakBytesPerMinute: this.#suspicion?.bytesPerMinute,
      collecting: this.#collections?.timeShare(),
    })
    return /** @type {types.MemorySuggestion[]} */ (suggestions)
  }

  #heapTrend() {
    if (this.#suspicion) return this.#suspicion.heapTrend
    if (this.samples.length < FEWEST) {
      return this.calculateTrend(this.samples.map(({ memory }) => memory.heapUsed))
    }
    return this.#growth.of(this.samples, this.#samplingInterval)?.heapTrend ?? 0
  }

  forceGarbageCollection() {
    const before = usageNow()
    collectGarbage()
    const after = usageNow()
    const { arrayBuffers: _, ...freed } = difference(after, before)
    return { before, after, freed }
  }

  /** @returns {types.MemoryReport} */
  generateReport() {
    const gc = this.#collections?.report()
    const delay = eventLoopDelay(this.samples)
    return {
      timestamp: Date.now(),
      current: usageNow(),
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

  /** @param {string} filePath */
  async generateHTMLReport(filePath) {
    args.string('filePath', filePath)
    const json = reportPage(this.generateReport(), this.samples, this.#snapshots)
    await traced(promised((ticket) => native.saveMemoryPage(settler, ticket, filePath, json)))
    return filePath
  }

  prometheus() {
    return prometheus({
      now: readSample(),
      samples: this.samples,
      collections: this.#collections?.histograms() ?? [],
      alertCounts: this.#alertCounts,
    })
  }

  /** @param {number} [duration] */
  async monitor(duration = 60000) {
    args.number('duration', duration, 0, 2 ** 31 - 1)
    this.#visits.enter()
    await new Promise((resolve) => setTimeout(resolve, duration))
    this.#visits.leave()
    return this.generateReport()
  }

  /** @param {types.StreamOptions} [options] */
  stream(options = {}) {
    const { signal, capacity = 100 } = args.object('options', options)
    if (signal !== undefined) args.instance('signal', signal, AbortSignal)
    return this.#stream(args.integer('capacity', capacity, 1), signal)
  }

  /**
   * @param {number} capacity
   * @param {AbortSignal} [signal]
   */
  async *#stream(capacity, signal) {
    this.#visits.enter()
    try {
      yield* samplesOf(this, capacity, signal)
    } finally {
      this.#visits.leave()
    }
  }
}

module.exports = { MemoryProfiler }
