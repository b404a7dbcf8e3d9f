// @ts-check
'use strict'

// What an object was tuned by, from which every decision can be made again.

const args = require('../internal/arguments.js')
const native = require('../internal/native.js')

/** @import * as types from '../tuning.js' */

/** Observations that a recording holds: some hours of them. */
const MOST_RECORDED = 10_000

/**
 * @param {types.TuningRecording} recording
 * @param {types.TuningRecording['observations'][number]} observation
 */
function record(recording, observation) {
  if (recording.observations.length < MOST_RECORDED) recording.observations.push(observation)
  else recording.truncated = true
}

/**
 * @param {types.TuningRecording} recording
 * @returns {types.TuningDecision[]}
 */
function replay(recording) {
  const { target, settings: first, observations } = checked(recording)
  let settings = first
  let tuner = new native.NativeTuner(settings)
  return observations.flatMap(({ timestamp, settings: written, ...observation }) => {
    if (written) {
      settings = written
      tuner = new native.NativeTuner(settings)
    }
    return decide(tuner, target, settings, timestamp, observation)
  })
}

/**
 * @param {import('../../binding.js').NativeTuner} tuner
 * @param {string} target
 * @param {types.TunedSetting[]} settings
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

/** @param {types.TuningRecording} recording */
function checked(recording) {
  const { target, settings, observations } = args.object('recording', recording)
  args.string('recording.target', target)
  checkSettings('recording.settings', settings)
  list('recording.observations', observations).forEach((observation, index) => {
    const name = `recording.observations[${index}]`
    const { timestamp, settings: written, saturated, ...figures } = args.object(name, observation)
    args.number(`${name}.timestamp`, timestamp)
    for (const figure of /** @type {const} */ (['throughput', 'latency', 'memoryPressure'])) {
      args.number(`${name}.${figure}`, figures[figure], 0, Infinity)
    }
    if (typeof saturated !== 'boolean') {
      throw args.invalidType(`${name}.saturated`, 'of type boolean', saturated)
    }
    if (written !== undefined) checkSettings(`${name}.settings`, written)
  })
  return recording
}

/** @param {string} path @param {types.TunedSetting[]} settings */
function checkSettings(path, settings) {
  list(path, settings).forEach((setting, index) => {
    const at = `${path}[${index}]`
    const { name, value, min, max, highPressure, lowPressure } = args.object(at, setting)
    args.string(`${at}.name`, name)
    args.number(`${at}.value`, value, 1)
    args.number(`${at}.min`, min, 1, value)
    args.number(`${at}.max`, max, value)
    args.number(`${at}.highPressure`, highPressure, 0, 1)
    args.number(`${at}.lowPressure`, lowPressure, 0, highPressure)
  })
}

/**
 * @template T
 * @param {string} name
 * @param {T[]} value
 */
function list(name, value) {
  if (!Array.isArray(value)) throw args.invalidType(name, 'an instance of Array', value)
  return value
}

module.exports = { decide, record, replay }
