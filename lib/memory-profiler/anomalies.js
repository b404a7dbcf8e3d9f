// @ts-check
'use strict'

const { AnomalyDetector } = require('../monitor/anomaly-detector.js')

/** @import * as types from '../memory-profiler.js' */

const METRICS = /** @type {const} */ (['heapUsed', 'heapTotal', 'external', 'rss'])

/** Scores each metric of the samples of a beat as they come. */
class AnomalyWatch {
  /** @type {Map<types.AnomalyMetric, InstanceType<typeof AnomalyDetector>>} */
  #detectors = new Map()

  /**
   * Adds the scores to a sample, and tells what does not fit.
   *
   * @param {types.MemorySample} sample
   * @returns {types.MemoryAnomaly[]}
   */
  judge(sample) {
    const { memory, eventLoopDelay, timestamp } = sample
    /** @type {types.AnomalyScores} */
    const scores = {}
    /** @type {types.MemoryAnomaly[]} */
    const found = []
    const push = (/** @type {types.AnomalyMetric} */ metric, /** @type {number} */ value) => {
      const detector = this.#detector(metric)
      const score = detector.score(value)
      if (score !== null) scores[metric] = score
      const anomaly = detector.push(value)
      if (anomaly) found.push({ metric, value, ...anomaly, timestamp })
    }
    for (const metric of METRICS) {
      // One that a replaced `process.memoryUsage` made up need not be there.
      if (Number.isFinite(memory[metric])) push(metric, memory[metric])
    }
    if (eventLoopDelay !== undefined) push('eventLoopDelay', eventLoopDelay)
    sample.anomalyScores = scores
    return found
  }

  /** @param {types.AnomalyMetric} metric */
  #detector(metric) {
    const detector = this.#detectors.get(metric) ?? new AnomalyDetector()
    this.#detectors.set(metric, detector)
    return detector
  }
}

module.exports = { AnomalyWatch }
