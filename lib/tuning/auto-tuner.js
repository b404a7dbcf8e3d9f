// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const os = require('node:os')
const v8 = require('node:v8')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { decide, record, replay } = require('./recording.js')
const { targetOf, tunedOf } = require('./targets.js')

/** @import * as types from '../tuning.js' */
/** @import { Target } from './targets.js' */

/**
 * An object that is tuned.
 *
 * @typedef {object} Tuned
 * @property {Target} target
 * @property {types.TuningLimits} limits
 * @property {types.TuningRecording} recording
 * @property {types.TunedSetting[]} settings with the values they were given last
 * @property {import('../../binding.js').NativeTuner} native
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
    const given = checkedLimits(found, limits)
    const settings = this.#settingsOf(found, given)
    const recording = {
      target: found.object.constructor.name,
      settings,
      observations: [],
      truncated: false,
    }
    this.#tuned.set(found.object, { target: found, limits: given, recording, ...begin(settings) })
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
    const decisions = []
    for (const known of this.#tuned.values()) {
      const observation = { ...known.target.measure(), memoryPressure }
      const made = observe(known, this.#written(known), timestamp, observation)
      this.#log(made)
      decisions.push(...made)
    }
    for (const decision of decisions) this.emit('decision', decision)
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
    return replay(recording)
  }

  /**
   * The settings of an object, if somebody else wrote one: they are tuned anew from there.
   *
   * @param {Tuned} known
   */
  #written({ target, limits, settings }) {
    const now = this.#settingsOf(target, limits)
    const same =
      now.length === settings.length &&
      now.every(({ name, value }, at) => {
        return name === settings[at].name && value === settings[at].value
      })
    return same ? undefined : now
  }

  /**
   * What can be tuned at present; not what is `'auto'` or `Infinity`.
   *
   * @param {Target} target
   * @param {types.TuningLimits} limits
   * @returns {types.TunedSetting[]}
   */
  #settingsOf({ object, settings }, limits) {
    const names = /** @type {types.TuningSetting[]} */ (Object.keys(settings))
    const finite = names.filter((name) => Number.isFinite(object[name]))
    return finite.map((name) => {
      const value = object[name]
      const { min, max } = { .../** @type {any} */ (settings[name]), ...limits[name] }
      const range = { value, min: Math.min(min, value), max: Math.max(max, value) }
      return { name, ...range, ...this.#pressures }
    })
  }

  /** @param {types.TuningDecision[]} decisions */
  #log(decisions) {
    this.log.push(...decisions)
    this.log.splice(0, this.log.length - this.#maxLog)
  }
}

/** @param {types.TunedSetting[]} settings */
function begin(settings) {
  return {
    settings: settings.map((setting) => ({ ...setting })),
    native: new native.NativeTuner(settings),
  }
}

/**
 * Records an observation and applies what it leads to.
 *
 * @param {Tuned} known
 * @param {types.TunedSetting[] | undefined} written
 * @param {number} timestamp
 * @param {types.TuningObservation} observation
 */
function observe(known, written, timestamp, observation) {
  if (written) Object.assign(known, begin(written))
  const { target, recording, settings, native: tuner } = known
  record(recording, { timestamp, ...observation, ...(written && { settings: written }) })
  const decisions = decide(tuner, recording.target, settings, timestamp, observation)
  for (const { setting, to } of decisions) {
    target.object[setting] = to
    const tuned = settings.find(({ name }) => name === setting)
    if (tuned) tuned.value = to
  }
  return decisions
}

/**
 * Limits without those that are left out.
 *
 * @param {Target} target
 * @param {types.TuningLimits} limits
 * @returns {types.TuningLimits}
 */
function checkedLimits({ object }, limits) {
  const all = Object.entries(limits).filter(([, range]) => range !== undefined)
  return Object.fromEntries(
    all.map(([name, range]) => [name, checkedRange(`limits.${name}`, object[name], range)]),
  )
}

/**
 * A range that has the present value of its setting, if it has one that can be tuned.
 *
 * @param {string} name
 * @param {unknown} present
 * @param {types.TuningRange} range
 */
function checkedRange(name, present, range) {
  const { min, max } = args.object(name, range)
  const value = typeof present === 'number' && Number.isFinite(present) ? present : undefined
  const most = Number.MAX_SAFE_INTEGER
  if (min !== undefined) args.integer(`${name}.min`, min, 1, value ?? most)
  if (max !== undefined) args.integer(`${name}.max`, max, value ?? min ?? 1, most)
  return { ...(min !== undefined && { min }), ...(max !== undefined && { max }) }
}

module.exports = { AutoTuner }
