// @ts-check
'use strict'

// The loops that are timed. Each test runs a copy of its own (`fresh` in calibrate.js): V8 then specialises it for
// the one function it calls, as it would in a program, and no test is slower for those before it.

const { performance: clock } = require('node:perf_hooks')

/** @import { Calls } from './iterate.js' */

/** What `count` says when the run wants a rest. No clock reads it. */
const REST = -1

/**
 * What the last call returned. Others can read it, so no call may be left out for being of no use.
 *
 * @type {unknown}
 */
let kept

/**
 * Calls until the run wants a rest, or a call returns a promise: then it returns that.
 *
 * @param {Calls} run
 * @returns {PromiseLike<unknown> | undefined}
 */
function callAll(run) {
  const { fn, context, batch } = run
  let before = clock.now()
  while (run.left > 0) {
    let result
    try {
      for (let call = 0; call < batch; call++) {
        result = fn(context)
        kept = result
        if (isThenable(result)) {
          run.started = before
          run.begun = call
          return result
        }
      }
    } catch (error) {
      if (run.fail(error)) return
      before = clock.now()
      continue
    }
    before = count(run, result, before, clock.now())
    if (before === REST) return
  }
}

/**
 * Calls and awaits until the run wants a rest. If the run gives up on a call, whatever comes of it is no longer
 * looked at.
 *
 * @param {Calls} run
 * @param {PromiseLike<unknown> | undefined} pending the promise that `callAll` came upon
 */
async function awaitAll(run, pending) {
  const { fn, context, batch, attempt } = run
  let before = pending ? run.started : clock.now()
  let call = pending ? run.begun : 0
  // The call may have ended the run itself; then nobody is to hear of its failure.
  if (run.left <= 0) pending?.then(undefined, () => {})
  while (run.left > 0) {
    let result
    try {
      for (; call < batch; call++) {
        result = pending ?? fn(context)
        pending = undefined
        if (isThenable(result)) {
          result = await result
          if (run.attempt !== attempt) return
        }
        kept = result
        run.calls++
      }
    } catch (error) {
      if (run.attempt !== attempt || run.fail(error)) return
      before = clock.now()
      continue
    } finally {
      call = 0
    }
    before = count(run, result, before, clock.now())
    if (before === REST) return
  }
}

/**
 * Counts what was timed. One reading of the clock ends a call and starts the next one, unless there was something
 * to do in between.
 *
 * @param {Calls} run
 * @param {unknown} result of the last call
 * @param {number} before
 * @param {number} after
 * @returns {number} when the next call starts
 */
function count(run, result, before, after) {
  const elapsed = after - before
  if (elapsed > run.limit) return run.late() ? REST : clock.now()
  const reports = typeof result === 'object' && result !== null
  run.rates[run.filled] = reports ? run.rateOf(result, elapsed) : NaN
  run.durations[run.filled++] = elapsed
  run.left--
  if (after >= run.pause) return run.rest(after) ? REST : clock.now()
  return reports ? clock.now() : after
}

/** @param {any} result @returns {result is PromiseLike<unknown>} */
function isThenable(result) {
  return (
    ((typeof result === 'object' && result !== null) || typeof result === 'function') &&
    typeof result.then === 'function'
  )
}

module.exports = { callAll, awaitAll, kept: () => kept }
