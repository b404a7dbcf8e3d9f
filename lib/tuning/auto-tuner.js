// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const os = require('node:os')
const v8 = require('node:v8')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { targetOf, tunedOf } = require('./targets.js')

/** @import * as types from '../tuning.js' */
/** @import { Target } from './targets.js' */

/** Observations that a recording holds: some hours of them. */
const MOST_RECORDED = 10_000

/**
 * An object that is tuned.
 *
 * @typedef {object} Tuned
 * @property {Target} target
 * @property {types.TuningRecording} recording
 * @property {import('../../binding.js').NativeTuner} native
 * @property {number[]} values of the settings, as they were set last
 */

/**
 * @extends {EventEmitter<{ decision: [decision: types.TuningDecision] }>}
 * @implements {types.AutoTuner}
 */
class AutoTuner extends EventEmitter {
  #interval
  #pressures
  #maxLog
  /** By the object itself: of a client it is the cache. @type {Map<object, Tuned>} */
  #tuned = new Map()
  /** @type {NodeJS.Timeout | undefined} */
  #timer

  /** @type {types.TuningDecision[]} */
  log = []

  /** @param {types.AutoTunerOptions} [options] */
  constructor(options = {}) {
    super()
    const { interval, highPressure, lowPressure, maxLog } = args.object('options', options)
    this.#interval = args.number('options.interval', interval ?? 1000, 10, 2 ** 31 - 1)
    const high = args.number('options.highPressure', highPressure ?? 0.85, 0, 1)
    const low = args.number('options.lowPressure', lowPressure ?? Math.min(0.7, high), 0, high)
    this.#pressures = { highPressure: high, lowPressure: low }
    this.#maxLog = args.integer('options.maxLog', maxLog ?? 1000, 1)
  }

  get running() {
    return this.#timer !== undefined
  }

  /**
   * @param {types.TuningTarget} target
   * @param {types.TuningLimits} [limits]
   */
  attach(target, limits = {}) {
    const found = targetOf(target)
    args.object('limits', limits)
    if (this.#tuned.has(found.object)) return this
    const known = Object.keys(found.settings)
    const unknown = Object.keys(limits).find((name) => !known.includes(name))
    if (unknown) throw args.outOfRange('limits', `of ${known.join(', ')}`, unknown)
    const settings = Object.entries(found.settings)
      .filter(([name]) => Number.isFinite(found.object[name]))
      .map(([name, usual]) => ({
        name: /** @type {types.TuningSetting} */ (name),
        ...range(name, found.object[name], usual, /** @type {any} */ (limits)[name]),
        ...this.#pressures,
      }))
    this.#tuned.set(found.object, tuned(found, settings))
    return this
  }

  /** @param {types.TuningTarget} target */
  detach(target) {
    return this.#tuned.delete(tunedOf(target))
  }

  start() {
    this.#timer ??= setInterval(() => this.observe(), this.#interval).unref()
    return this
  }

  stop() {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  observe() {
    const memoryPressure = args.number('memoryPressure()', this.memoryPressure(), 0, Infinity)
    const timestamp = Date.now()
    const decisions = [...this.#tuned.values()].flatMap((known) => {
      const observation = { ...known.target.measure(), memoryPressure }
      const current = this.#current(known)
      return observe(current, timestamp, observation)
    })
    for (const decision of decisions) this.#tell(decision)
    return decisions
  }

  memoryPressure() {
    const { used_heap_size, heap_size_limit } = v8.getHeapStatistics()
    const limit = Math.min(native.containerLimit() ?? Infinity, os.totalmem())
    const rss = native.readRss() ?? process.memoryUsage.rss()
    return Math.max(used_heap_size / heap_size_limit, rss / limit)
  }

  /** @param {types.TuningTarget} target */
  recording(target) {
    const known = this.#tuned.get(tunedOf(target))
    if (!known) {
      const error = new Error('The object is not attached to this tuner')
      throw Object.assign(error, { code: 'ERR_AIWF_NOT_ATTACHED' })
    }
    return structuredClone(known.recording)
  }

  /** @param {types.TuningRecording} recording */
  static replay(recording) {
    const { target, settings, observations } = args.object('recording', recording)
    const tuner = new native.NativeTuner(settings)
    return observations.flatMap(({ timestamp, ...observation }) =>
      decide(tuner, target, settings, timestamp, observation),
    )
  }

  /**
   * What is known of an object. Settings that somebody else wrote meanwhile are tuned anew from there.
   *
   * @param {Tuned} known
   */
  #current(known) {
    const { object } = known.target
    const { settings } = known.recording
    if (settings.every(({ name }, index) => object[name] === known.values[index])) return known
    const finite = settings.filter(({ name }) => Number.isFinite(object[name]))
    const moved = finite.map((setting) => {
      const value = object[setting.name]
      const { min, max } = setting
      return { ...setting, value, min: Math.min(min, value), max: Math.max(max, value) }
    })
    const anew = tuned(known.target, moved)
    this.#tuned.set(object, anew)
    return anew
  }

  /** @param {types.TuningDecision} decision */
  #tell(decision) {
    this.log.push(decision)
    if (this.log.length > this.#maxLog) this.log.shift()
    this.emit('decision', decision)
  }
}

/**
 * @param {Target} target
 * @param {types.TuningRecording['settings']} settings
 * @returns {Tuned}
 */
function tuned(target, settings) {
  const { name } = target.object.constructor
  return {
    target,
    recording: { target: name, settings, observations: [], truncated: false },
    native: new native.NativeTuner(settings),
    values: settings.map(({ value }) => value),
  }
}

/**
 * Records an observation and applies what it leads to.
 *
 * @param {Tuned} known
 * @param {number} timestamp
 * @param {types.TuningObservation} observation
 */
function observe({ target, recording, native: tuner, values }, timestamp, observation) {
  const { observations, settings } = recording
  if (observations.length < MOST_RECORDED) observations.push({ timestamp, ...observation })
  else recording.truncated = true
  const decisions = decide(tuner, recording.target, settings, timestamp, observation)
  for (const { setting, to } of decisions) {
    target.object[setting] = to
    values[settings.findIndex(({ name }) => name === setting)] = to
  }
  return decisions
}

/**
 * @param {import('../../binding.js').NativeTuner} tuner
 * @param {string} target
 * @param {types.TuningRecording['settings']} settings
 * @param {number} timestamp
 * @param {types.TuningObservation} observation
 * @returns {types.TuningDecision[]}
 */
function decide(tuner, target, settings, timestamp, observation) {
  return tuner.decide(observation).map(({ setting, ...decision }) => ({
    timestamp,
    target,
    setting: settings[setting].name,
    ...decision,
    observation,
  }))
}

/**
 * The limits of a setting around its present value.
 *
 * @param {string} name
 * @param {number} value
 * @param {{ min: number, max: number }} usual
 * @param {types.TuningRange} [given]
 */
function range(name, value, usual, given = {}) {
  const { min, max } = args.object(`limits.${name}`, given)
  const most = Number.MAX_SAFE_INTEGER
  return {
    value,
    min: args.integer(`limits.${name}.min`, min ?? Math.min(usual.min, value), 1, value),
    max: args.integer(`limits.${name}.max`, max ?? Math.max(usual.max, value), value, most),
  }
}

module.exports = { AutoTuner }
