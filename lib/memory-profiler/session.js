// @ts-check
'use strict'

const native = require('../internal/native.js')
const { AnomalyWatch } = require('./anomalies.js')
const { CollectionCounter, collectGarbage } = require('./collections.js')
const { noMemory, readHeap } = require('./readings.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { MemoryLeakRule } from '../../binding.js' */

/**
 * @typedef {object} Listener
 * @property {() => unknown} takeSample called on a beat that V8's figures can join
 * @property {(sample: types.MemorySample) => void} addStale takes a sample of a time when they could not be read
 */

/**
 * @typedef {object} SessionOptions
 * @property {number} interval
 * @property {number} capacity
 * @property {boolean} pss
 * @property {MemoryLeakRule} leakRule
 */

/** Figures that the native thread tells of each beat. */
const FIGURES = 12

/**
 * What runs while a profiler profiles: the native thread, the leak detector, the watch on collections. What the detector is told
 * has the time of a clock that nobody sets.
 */
class Session {
  #listener
  #sampler
  #leaks
  #anomalies = new AnomalyWatch()
  #stopped = false
  /** The beat that is being sampled now; nothing while a sample is taken by hand. @type {Beat | undefined} */
  #beat
  /** The latest sample with V8's figures. */
  #latest
  collections

  /**
   * @param {SessionOptions} options
   * @param {types.MemorySample} first
   * @param {Listener} listener
   */
  constructor({ interval, capacity, pss, leakRule }, first, listener) {
    this.#listener = listener
    this.#latest = first
    this.#sampler = new native.NativeMemorySampler(() => this.#drain(), interval, capacity, pss)
    this.#leaks = new native.NativeLeakDetector(
      performance.now(),
      interval,
      leakRule,
      first.gc.heapSizeLimit,
      native.containerLimit() ?? Number.POSITIVE_INFINITY,
    )
    this.collections = new CollectionCounter(() => this.#addFloor())
  }

  stop() {
    this.#stopped = true
    this.collections.stop()
    this.#sampler.stop()
  }

  /**
   * Adds to a new sample what the thread found, if it is one of the beat, and tells what is odd about it.
   *
   * @param {types.MemorySample} sample
   */
  complete(sample) {
    this.#latest = sample
    if (!this.#beat) return []
    sample.process = this.#beat.process
    sample.eventLoopDelay = this.#beat.delay
    return this.#anomalies.judge(sample)
  }

  /**
   * The verdict on a sample, if it is one of the beat.
   *
   * @param {types.MemorySample} sample
   */
  judge(sample) {
    if (!this.#beat) return
    const { heapUsed, heapTotal, external, rss } = { ...noMemory, ...sample.memory }
    return this.#leaks.beat(performance.now(), heapUsed, heapTotal, external, rss) ?? undefined
  }

  #addFloor() {
    const { used_heap_size, total_heap_size, external_memory } = readHeap()
    const rss = native.readRss() ?? this.#latest.memory.rss
    this.#leaks.floor(performance.now(), used_heap_size, total_heap_size, external_memory, rss)
  }

  /** Turns the thread's beats into samples. Only the last one can have V8's figures of its time. */
  #drain() {
    if (this.#stopped) return
    const figures = this.#sampler.drain()
    const last = figures.length - FIGURES
    for (let at = 1; at < last; at += FIGURES) {
      listen(() => this.#listener.addStale(this.#stale(beat(figures, at))))
      if (this.#stopped) return
    }
    if (last < 1) return
    this.#probe()
    this.#beat = beat(figures, last)
    try {
      this.#listener.takeSample()
    } finally {
      this.#beat = undefined
    }
  }

  #probe() {
    if (!this.#leaks.wantsProbe(performance.now())) return
    collectGarbage()
    this.#addFloor()
  }

  /**
   * @param {Beat} beat
   * @returns {types.MemorySample}
   */
  #stale({ timestamp, rss, process }) {
    const { memory, performance, gc } = this.#latest
    return {
      timestamp,
      memory: { ...memory, rss },
      performance: { ...performance },
      gc: { ...gc },
      process,
      heapStale: true,
    }
  }
}

/**
 * Calls a listener that others must not pay for: what it throws is thrown when they have been served.
 *
 * @param {() => void} call
 */
function listen(call) {
  try {
    call()
  } catch (error) {
    queueMicrotask(() => {
      throw error
    })
  }
}

/** @typedef {{ timestamp: number, delay: number, rss: number, process: types.ProcessFigures }} Beat */

/**
 * @param {Float64Array} figures
 * @param {number} at
 * @returns {Beat}
 */
function beat(figures, at) {
  return {
    timestamp: Math.floor(figures[at]),
    delay: figures[0],
    rss: figures[at + 1],
    process: {
      anonymous: known(figures[at + 2]),
      file: known(figures[at + 3]),
      cpuTime: figures[at + 4],
      minorFaults: known(figures[at + 5]),
      majorFaults: known(figures[at + 6]),
      threads: known(figures[at + 7]),
      fileDescriptors: known(figures[at + 8]),
      limit: known(figures[at + 9]),
      limitUsed: known(figures[at + 10]),
      pss: known(figures[at + 11]),
    },
  }
}

/** @param {number} figure */
function known(figure) {
  return Number.isNaN(figure) ? undefined : figure
}

module.exports = { Session }
