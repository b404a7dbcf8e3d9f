// @ts-check
'use strict'

/** Stops the sweeps of a cache that nobody holds any more. @type {FinalizationRegistry<NodeJS.Timeout>} */
const sweeps = new FinalizationRegistry(clearInterval)

/** The longest that a timer waits; beyond it fires at once. */
const LONGEST = 2 ** 31 - 1

/**
 * Sweeps from time to time, which keeps neither the cache nor the process alive.
 *
 * @template {object} Cache
 * @param {Cache} cache
 * @param {number} interval milliseconds; 0 for never
 * @param {(cache: Cache) => void} sweep
 */
function sweepEvery(cache, interval, sweep) {
  if (interval === 0) return
  const held = new WeakRef(cache)
  const timer = setInterval(
    () => {
      const live = held.deref()
      if (live) sweep(live)
    },
    Math.min(interval, LONGEST),
  )
  timer.unref()
  sweeps.register(cache, timer)
}

module.exports = { sweepEvery }
