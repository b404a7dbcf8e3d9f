// @ts-check
// What a sample costs, against the cheapest thing that tells the same: `process.memoryUsage()`. And what a running
// profiler costs an idle process. Prints medians of interleaved rounds and ratios to the first row.

import v8 from 'node:v8'
import { MemoryProfiler } from '../lib/memory-profiler.js'

const ROUNDS = 15
const CALLS = 2_000
const BEATS_TIME = 5_000

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

/** @param {number} maxSamples */
function profilerWith(maxSamples) {
  const unlimited = Number.POSITIVE_INFINITY
  const profiler = new MemoryProfiler({
    silent: true,
    maxSamples,
    alertCallback() {},
    heapThreshold: unlimited,
    heapTotalThreshold: unlimited,
    externalThreshold: unlimited,
    rssThreshold: unlimited,
  })
  for (let count = 0; count < maxSamples; count++) profiler.takeSample()
  return profiler
}

const few = profilerWith(9)
const many = profilerWith(1_000)

/** @type {Record<string, () => unknown>} */
const rows = {
  'process.memoryUsage()': () => process.memoryUsage(),
  'process.memoryUsage.rss()': () => process.memoryUsage.rss(),
  'v8.getHeapStatistics()': () => v8.getHeapStatistics(),
  'takeSample(), too few to judge a leak': () => few.takeSample(),
  'takeSample(), 1,000 kept': () => many.takeSample(),
  'generateReport(), 1,000 kept': () => many.generateReport(),
}

/** @type {Record<string, number[]>} */
const nanoseconds = Object.fromEntries(Object.keys(rows).map((name) => [name, []]))
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, work] of Object.entries(rows)) {
    const start = process.hrtime.bigint()
    for (let call = 0; call < CALLS; call++) work()
    // The first two rounds only warm up.
    if (round >= 0) nanoseconds[name].push(Number(process.hrtime.bigint() - start) / CALLS)
  }
}

const base = median(nanoseconds['process.memoryUsage()'])
for (const [name, values] of Object.entries(nanoseconds)) {
  const cost = median(values)
  const ratio = (cost / base).toFixed(2)
  console.log(`${name.padEnd(40)} ${(cost / 1e3).toFixed(2).padStart(8)} us  ${ratio} x`)
}

/** CPU time of the whole process over the same time, in milliseconds. */
async function cpuWhile(/** @type {MemoryProfiler | undefined} */ profiler) {
  profiler?.startProfiling()
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, BEATS_TIME))
  const { user, system } = process.cpuUsage(before)
  profiler?.stopProfiling()
  return (user + system) / 1e3
}

const idle = await cpuWhile(undefined)
for (const interval of [1_000, 100, 10]) {
  const profiler = profilerWith(9)
  profiler.samplingInterval = interval
  const share = ((await cpuWhile(profiler)) - idle) / BEATS_TIME
  console.log(
    `profiling every ${String(interval).padStart(4)} ms: ${(100 * share).toFixed(3)} % of a CPU`,
  )
}
