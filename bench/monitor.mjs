// @ts-check
// What it costs to be watched: a look at everything, a recorded value, and the dashboard's share of a core with nobody
// and with one page looking. And what the tuner makes of a bad setting, beside fixed ones. Medians of rounds in turns.

import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  AutoTuner,
  FileBatchProcessor,
  GitHubAPICache,
  MemoryProfiler,
  Monitor,
  RateLimiter,
} from '../lib/index.js'

const ROUNDS = 9
const CALLS = 2_000
const IDLE_TIME = 4_000
const WRITES = 5_000
/** Writes between two looks of the tuner. */
const LOOK = 500

/** @param {number[]} values */
const median = (values) => values.toSorted((a, b) => a - b)[values.length >> 1]

/** @param {string} name @param {number} value @param {string} unit */
const row = (name, value, unit) => console.log(`${name.padEnd(44)} ${value.toFixed(2)} ${unit}`)

const folder = await mkdtemp(join(tmpdir(), 'aiwf-bench-'))
try {
  await calls()
  await dashboard()
  await tuning()
} finally {
  await rm(folder, { recursive: true })
}

function watchAll() {
  const monitor = new Monitor().attach(new GitHubAPICache(join(folder, 'cache')))
  monitor.attach(new FileBatchProcessor()).attach(new RateLimiter(60, 60_000))
  return monitor.attach(new MemoryProfiler({ silent: true }))
}

async function calls() {
  const monitor = watchAll()
  for (let value = 0; value < 10_000; value++) monitor.record('own', value % 977)
  /** @type {Record<string, () => unknown>} */
  const rows = {
    'process.memoryUsage()': () => process.memoryUsage(),
    'record()': () => monitor.record('own', 5),
    'generateDashboardData(), 4 sources': () => monitor.generateDashboardData(),
    'toPrometheus()': () => monitor.toPrometheus(),
  }
  for (const [name, work] of Object.entries(rows)) {
    const costs = Array.from({ length: ROUNDS }, () => {
      const start = performance.now()
      for (let call = 0; call < CALLS; call++) work()
      return ((performance.now() - start) / CALLS) * 1000
    })
    row(name, median(costs), 'us')
  }
}

/** CPU time of this process, as a share of a core. */
async function idleShare() {
  const before = process.cpuUsage()
  const start = performance.now()
  await sleep(IDLE_TIME)
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 10 / (performance.now() - start)
}

async function dashboard() {
  /** @type {Record<string, number[]>} */
  const shares = { idle: [], 'served, nobody looks': [], 'served, one page looks': [] }
  for (let round = 0; round < 3; round++) {
    shares.idle.push(await idleShare())
    const server = await watchAll().serve()
    shares['served, nobody looks'].push(await idleShare())
    const page = get(server.url.replace('/?', '/events?'))
    const [response] = await once(page, 'response')
    response.resume()
    shares['served, one page looks'].push(await idleShare())
    await server.close()
  }
  for (const [name, values] of Object.entries(shares)) row(name, median(values), '% of a core')
}

/** @param {FileBatchProcessor} processor @param {() => void} [observe] */
async function writesPerSecond(processor, observe) {
  const start = performance.now()
  const writes = Array.from({ length: WRITES }, (_, at) =>
    processor.addWriteOperation(join(folder, `${at % 500}`), 'x'.repeat(4096)),
  )
  if (observe) for (let at = LOOK; at < WRITES; at += LOOK) await writes[at].then(observe)
  await Promise.all(writes)
  return (WRITES * 1000) / (performance.now() - start)
}

async function tuning() {
  const fixed = [1, 2, 4, 10].map((maxConcurrency) => new FileBatchProcessor({ maxConcurrency }))
  const tuned = new FileBatchProcessor({ maxConcurrency: 1 })
  const tuner = new AutoTuner().attach(tuned, { batchSize: { min: 50, max: 50 } })
  /** @type {Map<string, number[]>} */
  const rates = new Map()
  const add = (/** @type {string} */ name, /** @type {number} */ rate) =>
    rates.set(name, [...(rates.get(name) ?? []), rate])
  for (let round = 0; round < ROUNDS; round++) {
    for (const processor of fixed) {
      add(`writes, maxConcurrency ${processor.maxConcurrency}`, await writesPerSecond(processor))
    }
    add('writes, tuned from maxConcurrency 1', await writesPerSecond(tuned, () => tuner.observe()))
  }
  for (const [name, values] of rates) row(name, median(values), '/s')
  const steps = tuner.log.map(({ to }) => to)
  console.log(`tuned: ${steps.length} decisions, ${steps.join(' ')}`)
}
