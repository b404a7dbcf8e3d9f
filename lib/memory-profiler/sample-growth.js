// @ts-check
'use strict'

const native = require('../internal/native.js')

/** @import * as types from '../memory-profiler.js' */

const FEWEST = native.fewestSamples()
/** Figures of a sample, as native code takes them. */
const FIGURES = 5

/** Judges whether samples that were taken by hand grow steadily. */
class SampleGrowth {
  /** Those with the time of their figures; others a caller made, and their time may mean nothing. */
  #taken = new WeakSet()
  /** Until when samples are not judged again. */
  #judgedUntil = 0

  /** @param {types.MemorySample} sample */
  addTaken(sample) {
    this.#taken.add(sample)
  }

  /**
   * Whether a sample is to be judged: a loop that takes them faster than the interval sees only garbage pile up.
   *
   * @param {types.MemorySample} sample
   * @param {number} interval
   */
  isDue(sample, interval) {
    if (!this.#taken.has(sample)) return true
    if (sample.timestamp < this.#judgedUntil) return false
    this.#judgedUntil = sample.timestamp + interval
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
    const taken = this.#taken.has(last)
    const figures = new Float64Array(samples.length * FIGURES)
    let end = 0
    for (const sample of samples) {
      if (sample.heapStale || this.#taken.has(sample) !== taken) continue
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
