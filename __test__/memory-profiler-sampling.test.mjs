// @ts-check
// What a sample holds beside the contract's figures, and where it comes from.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { mock, test } from 'node:test'
import { promisify } from 'node:util'
import v8 from 'node:v8'
import { MemoryProfiler } from '../lib/memory-profiler.js'
import { workspace } from './support/workspace.mjs'

const MIB = 1024 * 1024
const linux = process.platform === 'linux'

/** @param {import('../lib/memory-profiler.js').MemoryProfilerOptions} [options] */
const quiet = (options) =>
  new MemoryProfiler({ silent: true, alertCallback: () => {}, samplingInterval: 5, ...options })

/**
 * The first sample of a running profiler for which `wanted` holds.
 *
 * @param {MemoryProfiler} profiler
 * @param {(sample: import('../lib/memory-profiler.js').MemorySample) => unknown} wanted
 */
const sampled = async (profiler, wanted = () => true) => {
  profiler.startProfiling()
  try {
    const deadline = Date.now() + 60_000
    for (;;) {
      const found = profiler.samples.find(wanted)
      if (found) return found
      assert.ok(Date.now() < deadline, 'no such sample came')
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
  } finally {
    profiler.stopProfiling()
  }
}

test('the cheap reading is process.memoryUsage()', () => {
  const profiler = quiet()
  // What is used for the first time is compiled first, and that allocates.
  profiler.takeSample()
  const buffers = []
  for (let round = 0; round < 20; round++) {
    // Every other round changes what lies outside of the heap.
    if (round % 2) buffers.push(Buffer.alloc(MIB + round))
    const before = process.memoryUsage()
    const { memory, gc } = profiler.takeSample()
    // A collection between the two readings may free small buffers of others.
    assert.ok(Math.abs(memory.external - before.external) < 256 * 1024)
    assert.ok(Math.abs(memory.arrayBuffers - before.arrayBuffers) < 256 * 1024)
    assert.equal(memory.heapTotal, gc.totalHeapSize)
    assert.equal(memory.heapUsed, gc.usedHeapSize)
    assert.ok(Math.abs(memory.rss - before.rss) < 8 * MIB)
  }
  assert.ok(buffers.length > 0)
})

test('a replaced process.memoryUsage is asked, and its figures are judged as they come', () => {
  let heapUsed = 100 * MIB
  const usage = mock.method(process, 'memoryUsage', () => {
    heapUsed += 5 * MIB
    return { rss: heapUsed, heapTotal: heapUsed, heapUsed, external: 0, arrayBuffers: 0 }
  })
  try {
    const profiler = quiet({
      heapThreshold: '100%',
      heapTotalThreshold: '100%',
      rssThreshold: '100%',
    })
    for (let step = 0; step < 10; step++) profiler.takeSample()
    assert.equal(profiler.samples[9].memory.heapUsed, heapUsed)
    assert.deepEqual(
      profiler.alerts.map(({ type }) => type),
      ['memory_leak_suspected'],
    )
  } finally {
    usage.mock.restore()
  }
})

test('a replaced process.memoryUsage may lack figures', async (context) => {
  const made = () => ({ rss: 3, heapTotal: 2, heapUsed: 1 })
  context.mock.method(process, 'memoryUsage', /** @type {any} */ (made))
  const profiler = quiet({ alertInterval: 1000, externalThreshold: 1 })
  assert.deepEqual(profiler.takeSample().memory, made())
  assert.deepEqual(profiler.alerts, [])
  assert.deepEqual(profiler.generateReport().current, made())
  assert.match(profiler.prometheus(), /^process_resident_memory_bytes 3$/m)
  const ofBeat = await sampled(profiler, ({ process, heapStale }) => process && !heapStale)
  assert.deepEqual(ofBeat.memory, made())
  profiler.createSnapshot('now')
  const report = join(await workspace(context), 'report.html')
  await profiler.generateHTMLReport(report)
  assert.doesNotMatch(await readFile(report, 'utf8'), /NaN|undefined/)
})

test('nothing that a replaced process.memoryUsage returns or throws ends the program', async (context) => {
  const report = join(await workspace(context), 'report.html')
  for (const [made, figures] of /** @type {[() => any, object][]} */ ([
    [() => ({ rss: null, heapTotal: undefined, heapUsed: '1', external: 1n }), {}],
    [() => ({ rss: Number.NaN, heapTotal: Infinity, heapUsed: {}, external: true }), {}],
    [() => ({ rss: null, heapUsed: 5 }), { heapUsed: 5 }],
    [() => undefined, {}],
    [() => null, {}],
    [
      () => {
        throw new Error('none')
      },
      {},
    ],
  ])) {
    const { mock } = context.mock.method(process, 'memoryUsage', made)
    for (const alertInterval of [0, 1000]) {
      const profiler = quiet({ alertInterval })
      const ofBeat = await sampled(profiler, ({ process, heapStale }) => process && !heapStale)
      assert.deepEqual(ofBeat.memory, figures)
      assert.deepEqual(profiler.takeSample().memory, figures)
      assert.deepEqual(profiler.alerts, [])
      assert.deepEqual(profiler.generateReport().current, figures)
      assert.ok(!Object.values(profiler.forceGarbageCollection().freed).some(Number.isNaN))
      profiler.prometheus()
      profiler.createSnapshot('a')
      profiler.createSnapshot('b')
      profiler.compareSnapshots('a', 'b')
      await profiler.generateHTMLReport(report)
      assert.doesNotMatch(await readFile(report, 'utf8'), /NaN|undefined/)
    }
    mock.restore()
  }
})

test('a tight loop of samples is no leak', () => {
  const profiler = quiet({ samplingInterval: 1000, maxSamples: 5000 })
  profiler.thresholds = {
    heapUsed: Infinity,
    heapTotal: Infinity,
    external: Infinity,
    rss: Infinity,
  }
  const garbage = []
  for (let step = 0; step < 5000; step++) {
    garbage.push(new Array(200).fill(step))
    profiler.takeSample()
  }
  assert.equal(garbage.length, 5000)
  assert.deepEqual(profiler.alerts, [])
})

test('samples of the beat tell what the system says', async () => {
  const kept = Buffer.alloc(8 * MIB, 1)
  const sample = await sampled(quiet({ pss: true }), ({ process }) => (process?.cpuTime ?? 0) > 0)
  const figures = /** @type {import('../lib/memory-profiler.js').ProcessFigures} */ (sample.process)
  assert.ok((sample.heapStale || (sample.eventLoopDelay ?? -1) >= 0) && kept.length)
  if (!linux) return
  const { anonymous = 0, file = 0, minorFaults = 0, threads = 0, pss = 0 } = figures
  assert.ok(anonymous > 8 * MIB && file > 0 && minorFaults > 0 && threads > 1)
  assert.ok(pss > 8 * MIB && pss <= anonymous + file + 8 * MIB)
  // Read once a second, so those that were opened since may be missing at first.
  await sampled(quiet(), ({ process }) => {
    const open = fs.readdirSync('/proc/self/fd').length
    return Math.abs((process?.fileDescriptors ?? 0) - open) < 5
  })
})

test('a blocked event loop shows as its delay', async () => {
  const profiler = quiet()
  const end = performance.now() + 300
  profiler.startProfiling()
  while (performance.now() < end);
  const sample = await sampled(profiler, ({ eventLoopDelay = 0 }) => eventLoopDelay > 100)
  assert.ok(/** @type {number} */ (sample.eventLoopDelay) < 60_000)
  assert.ok(/** @type {any} */ (profiler.generateReport().eventLoopDelay).max > 100)
})

test('collections are counted by kind, also those of a blocked event loop', async () => {
  const profiler = quiet()
  assert.equal(profiler.generateReport().gc, undefined)
  profiler.startProfiling()
  for (let round = 0; round < 3; round++) profiler.forceGarbageCollection()
  const counted = () => profiler.generateReport().gc
  const deadline = Date.now() + 60_000
  while ((counted()?.major.count ?? 0) < 3) {
    assert.ok(Date.now() < deadline)
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  profiler.stopProfiling()
  const { major, timeShare } = /** @type {any} */ (counted())
  assert.ok(major.duration >= major.maxDuration && major.maxDuration > 0)
  assert.ok(timeShare > 0 && timeShare < 1)
})

test('a beat faster than fifty a second keeps its pace', async () => {
  const profiler = quiet({ samplingInterval: 1 })
  await sampled(profiler, () => profiler.samples.length > 200)
  const stale = profiler.samples.filter(({ heapStale }) => heapStale)
  assert.ok(stale.length > 0 && stale.length < profiler.samples.length)
  const times = profiler.samples.map(({ timestamp }) => timestamp)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
})

test('a share is of the limit of what it limits', () => {
  const limit = v8.getHeapStatistics().heap_size_limit
  const profiler = quiet({ heapThreshold: '50%' })
  assert.equal(profiler.thresholds.heapUsed, '50%')
  const sample = profiler.takeSample()
  sample.memory.heapUsed = limit / 2 + 1
  profiler.checkThresholds(sample)
  const alert = /** @type {any} */ (
    profiler.alerts.find((alert) => 'metric' in alert && alert.metric === 'heapUsed')
  )
  assert.equal(alert.threshold, limit / 2)
  const wrong = { code: 'ERR_INVALID_ARG_VALUE' }
  assert.throws(() => quiet({ rssThreshold: /** @type {any} */ ('a lot') }), wrong)
  assert.throws(() => quiet({ rssThreshold: /** @type {any} */ ('-1%') }), wrong)
})

test('what is no threshold raises no alert, and is told once', async (context) => {
  const warn = context.mock.method(console, 'warn', () => {})
  for (const bad of ['80 %', '80', true, {}, 5n, Number.NaN, Symbol('none')]) {
    for (const alertInterval of [0, 1]) {
      const profiler = quiet({ alertInterval })
      const none = { heapUsed: Infinity, heapTotal: Infinity, external: Infinity }
      profiler.thresholds = { ...none, rss: /** @type {any} */ (bad) }
      await sampled(profiler, () => profiler.samples.length > 3)
      assert.deepEqual(profiler.alerts, [])
      assert.equal(warn.mock.callCount(), 1)
      assert.match(`${warn.mock.calls[0].arguments[0]}`, /thresholds\.rss/)
      warn.mock.resetCalls()
      profiler.generateReport()
    }
  }
  const profiler = quiet()
  for (const none of [null, undefined, {}]) {
    profiler.thresholds = /** @type {any} */ (none)
    assert.equal(profiler.takeSample(), profiler.samples.at(-1))
    assert.deepEqual(profiler.generateReport().alerts, [])
  }
  assert.equal(warn.mock.callCount(), 0)
})

test('alerts are held back as asked for, and emitted one by one', () => {
  const profiler = quiet({ alertHysteresis: 0.1, heapThreshold: 100 })
  profiler.thresholds = { heapUsed: 100, heapTotal: Infinity, external: Infinity, rss: Infinity }
  /** @type {number[]} */
  const heard = []
  profiler.on('alert', (alert) => heard.push(/** @type {any} */ (alert).value))
  const sample = profiler.takeSample()
  heard.length = 0
  for (const value of [50, 101, 102, 95, 103, 89, 104]) {
    sample.memory.heapUsed = value
    profiler.checkThresholds(sample)
  }
  assert.deepEqual(heard, [101, 104])

  const paced = quiet({ alertInterval: 1000 })
  paced.thresholds = profiler.thresholds
  for (const [timestamp, heapUsed] of [
    [0, 101],
    [500, 102],
    [999, 103],
    [1000, 104],
  ]) {
    paced.checkThresholds({ ...sample, timestamp, memory: { ...sample.memory, heapUsed } })
  }
  assert.deepEqual(
    paced.alerts.map((alert) => /** @type {any} */ (alert).value),
    [101, 104],
  )

  // What grows does not fall below a threshold: hysteresis is none of its business.
  const leaking = quiet({ alertHysteresis: 0.1, alertInterval: 50 })
  for (let at = 0; at < 300; at++) {
    const memory = { ...sample.memory, heapUsed: (100 + at) * MIB, rss: (200 + at) * MIB }
    leaking.samples.push({ ...sample, timestamp: at, memory })
    leaking.detectMemoryLeaks(leaking.samples[at])
  }
  const times = leaking.alerts.map(({ timestamp }) => timestamp)
  assert.ok(times.length > 1)
  for (const [at, time] of times.slice(1).entries()) assert.ok(time - times[at] >= 50)

  assert.throws(() => quiet({ alertHysteresis: 2 }), { code: 'ERR_OUT_OF_RANGE' })
})

test('what is named gc and is no function collects nothing', async () => {
  const source = `
    globalThis.gc = {}
    const { MemoryProfiler } = require(process.argv[1])
    const { freed } = new MemoryProfiler().forceGarbageCollection()
    console.log(typeof freed.heapUsed)`
  const library = join(import.meta.dirname, '../lib/memory-profiler.js')
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', source, library])
  assert.equal(stdout, 'number\n')
})

test('a clock set back silences neither alerts nor the search for leaks', async (context) => {
  const { now } = Date
  let back = 0
  context.mock.method(Date, 'now', () => now() - back)
  const probing = quiet({ leakDetection: { probe: 20 } })
  await sampled(probing, () => {
    back = 3_600_000
    return (probing.generateReport().gc?.major.count ?? 0) >= 3
  })

  // Samples taken by hand: one an interval is judged.
  const judged = quiet({ samplingInterval: 1000 })
  let [time, count] = [1e12, 0]
  context.mock.method(Date, 'now', () => time)
  const kept = []
  for (const step of [1000, -3_600_000, ...new Array(60).fill(1000)]) {
    time += step
    kept.push(new Array(300_000).fill(count++))
    judged.takeSample()
  }
  assert.ok(judged.alerts.some(({ type }) => type === 'memory_leak_suspected'))
  assert.equal(kept.length, count)
})

test('an idle process is probed if that is asked for', async () => {
  const probing = quiet({ leakDetection: { probe: 20 } })
  await sampled(probing, () => (probing.generateReport().gc?.major.count ?? 0) >= 3)
  assert.throws(() => quiet({ leakDetection: { probe: -1 } }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => quiet({ leakDetection: /** @type {any} */ (1) }), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})
