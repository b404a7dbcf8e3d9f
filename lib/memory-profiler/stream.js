// @ts-check
'use strict'

const { onAbort } = require('../internal/signal.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { EventEmitter } from 'node:events' */

const LONGEST = 2 ** 31 - 1

/**
 * The samples of a profiler as they come, of which at most `capacity` wait, until it stops. While somebody waits for
 * one, the process stays alive.
 *
 * @param {EventEmitter<types.MemoryProfilerEvents>} profiler
 * @param {number} capacity
 * @param {AbortSignal | undefined} signal
 * @returns {AsyncGenerator<types.MemorySample, void, void>}
 */
async function* samplesOf(profiler, capacity, signal) {
  /** @type {types.MemorySample[]} */
  const waiting = []
  let wake = () => {}
  let stopped = false
  const add = (/** @type {types.MemorySample} */ sample) => {
    if (waiting.length === capacity) waiting.shift()
    waiting.push(sample)
    wake()
  }
  const end = () => {
    stopped = true
    wake()
  }
  const ignore = signal && onAbort(signal, () => wake())
  profiler.on('sample', add).on('stop', end)
  try {
    for (;;) {
      signal?.throwIfAborted()
      const sample = waiting.shift()
      if (sample) {
        yield sample
        continue
      }
      if (stopped) return
      const alive = setInterval(() => {}, LONGEST)
      await new Promise((resolve) => {
        wake = () => resolve(undefined)
      })
      clearInterval(alive)
    }
  } finally {
    profiler.off('sample', add).off('stop', end)
    ignore?.()
  }
}

module.exports = { samplesOf }
