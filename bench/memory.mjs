// @ts-check
// What a sample costs, against what AIWF's own module reads for one, and a scrape, against prom-client's default metrics. And
// what a running profiler costs an idle process. Prints medians of interleaved rounds and ratios to the first row; CPU time, as
// that is what other work on the machine disturbs least.

import v8 from 'node:v8'
import { MemoryProfiler } from '../lib/memory-profiler.js'
import { peer } from './peer.mjs'

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

/** @type {unknown[]} */
const kept = []

/** What the reference's `takeSample` reads and keeps. */
function referenceSample() {
  const memory = process.memoryUsage()
  const { total_heap_size, used_heap_size, heap_size_limit } = v8.getHeapStatistics()
  const measures = performance.getEntriesByType('measure')
  kept.push({
    timestamp: Date.now(),
    memory,
    measures,
    total_heap_size,
    used_heap_size,
    heap_size_limit,
  })
  if (kept.length > 1_000) kept.shift()
}

const few = profilerWith(9)
const many = profilerWith(1_000)

/** @type {Record<string, () => unknown>} */
const rows = {
  'what the reference reads': referenceSample,
  'process.memoryUsage()': () => process.memoryUsage(),
  'process.memoryUsage.rss()': () => process.memoryUsage.rss(),
  'v8.getHeapStatistics()': () => v8.getHeapStatistics(),
  'takeSample(), too few to judge a leak': () => few.takeSample(),
  'takeSample(), 1,000 kept': () => many.takeSample(),
  'generateReport(), 1,000 kept': () => many.generateReport(),
}

/** @type {Record<string, number[]>} */
const microseconds = Object.fromEntries(Object.keys(rows).map((name) => [name, []]))
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, work] of Object.entries(rows)) {
    const before = process.cpuUsage()
    for (let call = 0; call < CALLS; call++) work()
    const { user, system } = process.cpuUsage(before)
    // The first two rounds only warm up.
    if (round >= 0) microseconds[name].push((user + system) / CALLS)
  }
}

const base = median(microseconds['what the reference reads'])
for (const [name, values] of Object.entries(microseconds)) {
  const cost = median(values)
  const ratio = (cost / base).toFixed(2)
  console.log(`${name.padEnd(40)} ${cost.toFixed(2).padStart(8)} us  ${ratio} x`)
}

const { collectDefaultMetrics, register } = await peer('prom-client')
collectDefaultMetrics()
/** @type {Record<string, () => unknown>} */
const scrapes = {
  'prom-client, default metrics': () => register.metrics(),
  'profiler.prometheus()': () => many.prometheus(),
}
/** @type {Record<string, number[]>} */
const scraping = Object.fromEntries(Object.keys(scrapes).map((name) => [name, []]))
for (let round = -2; round < ROUNDS; round++) {
  for (const [name, scrape] of Object.entries(scrapes)) {
    const { user, system } = process.cpuUsage()
    for (let call = 0; call < 100; call++) await scrape()
    const after = process.cpuUsage()
    if (round >= 0) scraping[name].push((after.user + after.system - user - system) / 100)
  }
}
for (const [name, values] of Object.entries(scraping)) {
  console.log(`${name.padEnd(40)} ${median(values).toFixed(0).padStart(8)} us of CPU`)
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
for (const interval of [1_000, 100, 10, 1]) {
  const profiler = profilerWith(9)
  profiler.samplingInterval = interval
  const share = ((await cpuWhile(profiler)) - idle) / BEATS_TIME
  console.log(
    `profiling every ${String(interval).padStart(4)} ms: ${(100 * share).toFixed(3)} % of a CPU`,
  )
}
