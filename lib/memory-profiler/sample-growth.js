// @ts-check
'use strict'

const native = require('../internal/native.js')
const { dropOldest } = require('./bounded.js')

/** @import * as types from '../memory-profiler.js' */

const FEWEST = native.fewestSamples()
/** Figures of a sample, as native code takes them. */
const FIGURES = 5

/** Judges whether samples that were taken by hand grow steadily. */
class SampleGrowth {
  /**
   * Those with the time of their figures; others a caller made, and their time may mean nothing. A set would cost each
   * sample ten times as much.
   *
   * @type {types.MemorySample[]}
   */
  #taken = []
  /** When a sample was judged last. */
  #judged = Number.NEGATIVE_INFINITY

  /**
   * @param {types.MemorySample} sample
   * @param {number} most that are remembered
   */
  addTaken(sample, most) {
    this.#taken.push(sample)
    dropOldest(this.#taken, most)
  }

  /**
   * Whether a sample is to be judged: a loop that takes them faster than the interval sees only garbage pile up.
   *
   * @param {types.MemorySample} sample
   * @param {number} interval
   */
  isDue(sample, interval) {
    if (sample !== this.#taken.at(-1)) return true
    const elapsed = sample.timestamp - this.#judged
    // The clock may have been set back.
    if (elapsed >= 0 && elapsed < interval) return false
    this.#judged = sample.timestamp
    return true
  }

  /**
   * The growth of the samples, if it is steady: of those taken, one an interval, or else of those that a caller made, as
   * the last one is. Old figures say nothing about the heap.
   *
   * @param {types.MemorySample[]} samples
   * @param {number} interval
   */
  of(samples, interval) {
    const last = samples.at(-1)
    if (!last || samples.length < FEWEST) return null
    const takenSamples = new Set(this.#taken)
    const taken = takenSamples.has(last)
    const figures = new Float64Array(samples.length * FIGURES)
    let end = 0
    for (const sample of samples) {
      if (sample.heapStale || takenSamples.has(sample) !== taken) continue
      const { heapUsed, heapTotal, external = 0, rss } = sample.memory
      figures[end] = sample.timestamp
      figures[end + 1] = heapUsed
      figures[end + 2] = heapTotal
      figures[end + 3] = external
      figures[end + 4] = rss
      end += FIGURES
    }
    return native.steadyGrowth(figures.subarray(0, end), taken ? interval : 0)
  }
}

module.exports = { SampleGrowth, FEWEST }
