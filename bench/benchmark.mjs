// @ts-check

// What measuring costs, and what is measured: `run` beside tinybench and mitata, in turns, on the same functions.
// Arguments: milliseconds each function is timed for, rounds.

import { PerformanceBenchmark } from '../lib/performance-benchmark.js'
import { peer } from './peer.mjs'

const TIME = Number(process.argv[2] ?? 500)
const ROUNDS = Number(process.argv[3] ?? 5)
const ITERATIONS = 200_000

const { Bench } = await peer('tinybench')
const { measure: mitata } = await peer('mitata')

console.log(`What an iteration costs, µs; best of ${ROUNDS} rounds of ${ITERATIONS} iterations`)
console.table(await costs())
console.log(
  `What is measured: the median of a function's timings; best of ${ROUNDS} rounds of ${TIME} ms`,
)
console.table(await agreement())

async function costs() {
  const rows = []
  for (const [name, fn] of /** @type {const} */ ([
    ['empty function', () => {}],
    ['empty async function', async () => {}],
  ])) {
    const [ours, loop, reference] = await inTurns([
      () => run(fn, { iterations: ITERATIONS }).then(({ totalTime }) => totalTime),
      () => bareLoop(fn),
      () => readingMemory(fn),
    ])
    const each = (/** @type {number} */ total) => Number(((total * 1e3) / ITERATIONS).toFixed(3))
    rows.push({
      name,
      'run()': each(ours),
      'bare loop': each(loop),
      // As AIWF's own harness did it.
      'process.memoryUsage() twice': each(reference),
    })
  }
  return rows
}

/** @param {() => unknown} fn */
async function bareLoop(fn) {
  const start = performance.now()
  for (let iteration = 0; iteration < ITERATIONS; iteration++) {
    const result = fn()
    if (result instanceof Promise) await result
  }
  return performance.now() - start
}

/** A tenth of the iterations, as it takes so long. @param {() => unknown} fn */
async function readingMemory(fn) {
  const metrics = { duration: [], memory: [] }
  const start = performance.now()
  for (let iteration = 0; iteration < ITERATIONS / 10; iteration++) {
    const before = process.memoryUsage().heapUsed
    const from = performance.now()
    await fn()
    metrics.duration.push(/** @type {never} */ (performance.now() - from))
    metrics.memory.push(/** @type {never} */ (process.memoryUsage().heapUsed - before))
  }
  return (performance.now() - start) * 10
}

/** Functions that take about 10 ns to 10 ms. */
function functions() {
  const text = JSON.stringify(
    Array.from({ length: 20 }, (_, index) => ({ index, name: `n${index}` })),
  )
  const sum = (/** @type {number} */ steps) => () => {
    let total = 0
    for (let step = 0; step < steps; step++) total += step * step
    return total
  }
  return {
    'sum of 10': sum(10),
    'sum of 100': sum(100),
    'sum of 1,000': sum(1_000),
    'JSON.parse of 500 bytes': () => JSON.parse(text),
    'sum of 100,000': sum(100_000),
    'sum of 10 million': sum(10_000_000),
    'await of a promise': async () => {},
    'await of setImmediate': () => new Promise((resolve) => setImmediate(resolve)),
  }
}

async function agreement() {
  const rows = []
  for (const [name, fn] of Object.entries(functions())) {
    const [ours, byMitata, byTinybench] = await inTurns([
      () =>
        run(fn, { time: TIME }).then(({ statistics }) => (statistics.duration?.median ?? 0) * 1e6),
      () =>
        mitata(fn, { min_cpu_time: TIME * 1e6 }).then(
          (/** @type {{ p50: number }} */ { p50 }) => p50,
        ),
      () => tinybench(fn),
    ])
    rows.push({
      name,
      'run(), ns': Number(ours.toPrecision(4)),
      'mitata, ns': Number(byMitata.toPrecision(4)),
      'tinybench, ns': Number(byTinybench.toPrecision(4)),
      '÷ mitata': Number((ours / byMitata).toFixed(3)),
      'tinybench ÷ mitata': Number((byTinybench / byMitata).toFixed(3)),
    })
  }
  return rows
}

/**
 * @param {() => unknown} fn
 * @param {import('../lib/performance-benchmark.js').BenchmarkTestOptions} options
 */
async function run(fn, options) {
  const { tests } = await new PerformanceBenchmark({ silent: true, ...options }).run({
    name: 'suite',
    tests: [{ name: 'test', fn }],
  })
  return tests[0]
}

/** @param {() => unknown} fn */
async function tinybench(fn) {
  const bench = new Bench({ time: TIME })
  bench.add('test', fn)
  const [task] = await bench.run()
  return task.result.latency.p50 * 1e6
}

/** The least of each over all rounds: what others do on the machine only ever adds. @param {(() => Promise<number>)[]} measures */
async function inTurns(measures) {
  const rounds = measures.map(() => /** @type {number[]} */ ([]))
  for (let round = 0; round < ROUNDS; round++) {
    for (const [index, measure] of measures.entries()) rounds[index].push(await measure())
  }
  return rounds.map((values) => Math.min(...values))
}
