// @ts-check
'use strict'

// What the measurement itself costs, found out once a process, and how many calls a timing needs.

const { readFileSync } = require('node:fs')
const { compileFunction } = require('node:vm')
const native = require('../internal/native.js')
const { Run, usedHeap } = require('./iterate.js')

/** @import { Calls } from './iterate.js' */

const LOOP = require.resolve('./loop.js')

/** What a timing should take at least, in milliseconds: a thousand times what reading the clock does. */
const ENOUGH = 0.05

/** The most calls a timing; so many of a function that V8 removed take less than {@link ENOUGH}. */
const MOST_CALLS = 2 ** 20

/** The most looks for the right number of calls. */
const MOST_ROUNDS = 12

/** What takes less than this beyond an empty call does no work on any processor: three cycles, in milliseconds. */
const NOTHING = 1e-6

/** @type {string | undefined} */
let source

/**
 * A copy of the loops that no other function has run in.
 *
 * @returns {typeof import('./loop.js')}
 */
function fresh() {
  source ??= readFileSync(LOOP, 'utf8')
  const loop = { exports: {} }
  compileFunction(source, ['module', 'require'], { filename: LOOP })(loop, require)
  return /** @type {typeof import('./loop.js')} */ (loop.exports)
}

/** @type {Promise<{ clock: number, heap: number, call: number }> | undefined} */
let known

/** What reading the clock and the heap adds to a timing, and what a call of an empty function takes at best. */
function overhead() {
  known ??= measure()
  return known
}

async function measure() {
  const heap = native.benchmarkMedian(Float64Array.from({ length: 20 }, heapOfReading))
  const none = { clock: 0, heap: 0, call: 0 }
  const run = new Run(() => {}, { timeout: Infinity, overhead: none, loops: fresh() })
  const clock = (await median(run, { count: 20_000 })) ?? 0
  let call = Infinity
  await run.take({ count: 200, batch: 4096 }, (durations) => {
    call = Math.min(call, ...durations)
  })
  return { clock, heap, call }
}

function heapOfReading() {
  const before = usedHeap()
  return usedHeap() - before
}

/**
 * The calls a timing so that one takes long enough. They are made until V8 had the time to optimise them.
 *
 * @param {Calls} run
 */
async function batchFor(run) {
  let batch = 1
  let round = 0
  while (round < MOST_ROUNDS) {
    const each = await median(run, batch < 256 ? { count: 5, batch } : { time: 10, batch })
    if (each === undefined) break
    const needed = Math.min(Math.ceil(ENOUGH / each), MOST_CALLS)
    // A first guess comes from code that is still interpreted; while it grows much, so does the speed.
    if (needed <= 1.5 * batch) return Math.max(needed, 1)
    batch = Math.min(needed, 16 * batch)
    round++
  }
  return batch
}

/**
 * Whether so short a call shows that V8 left out what the function does.
 *
 * @param {number} fastest milliseconds
 */
function isOptimizedAway(fastest) {
  return fastest < NOTHING
}

/**
 * The median of some timings, in milliseconds a call; `undefined` if all failed.
 *
 * @param {Calls} run
 * @param {Parameters<Calls['take']>[0]} extent
 */
async function median(run, extent) {
  /** @type {number[]} */
  const timings = []
  await run.take({ ...extent, untilLate: true }, (durations) => timings.push(...durations))
  return timings.length > 0 ? native.benchmarkMedian(Float64Array.from(timings)) : undefined
}

module.exports = { fresh, overhead, batchFor, isOptimizedAway, median }
