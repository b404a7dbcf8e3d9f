// @ts-check
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { mock, test } from 'node:test'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import * as module from '../lib/memory-profiler.js'

const { MemoryOptimizer, MemoryProfiler, ObjectLeakDetector } = module
const MIB = 1024 * 1024
const library = path.join(import.meta.dirname, '../lib/memory-profiler.js')

/** @param {import('../lib/memory-profiler.js').MemoryProfilerOptions} [options] */
const quiet = (options) =>
  new MemoryProfiler({ silent: true, alertCallback: () => {}, samplingInterval: 5, ...options })

/**
 * A sample as a caller may make it.
 *
 * @param {Partial<NodeJS.MemoryUsage>} memory
 */
const madeSample = (memory, timestamp = 1) => ({
  timestamp,
  memory: { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0, ...memory },
  performance: { totalMeasures: 0, averageDuration: 0, maxDuration: 0, minDuration: 0 },
  gc: { totalHeapSize: 0, usedHeapSize: 0, heapSizeLimit: 0 },
})

/** @param {() => boolean} condition */
const until = async (condition, patience = 60_000) => {
  const deadline = Date.now() + patience
  while (!condition()) {
    assert.ok(Date.now() < deadline, 'the condition never came true')
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
}

/** @param {string} source */
const run = (source) =>
  promisify(execFile)(process.execPath, ['-e', source, library], { timeout: 60_000 })

/** @param {number[]} heaps MiB */
const leakAlerts = (heaps) => {
  const profiler = quiet()
  for (const heap of heaps) {
    const sample = madeSample({ heapUsed: heap * MIB, rss: (heap + 50) * MIB })
    profiler.samples.push(sample)
    profiler.detectMemoryLeaks(sample)
  }
  return profiler.alerts
}

test('the module exports its three classes', () => {
  const { default: _, 'module.exports': __, ...names } = /** @type {any} */ (module)
  assert.deepEqual(Object.keys(names).sort(), [
    'MemoryOptimizer',
    'MemoryProfiler',
    'ObjectLeakDetector',
  ])
})

test('options have the defaults of the contract, falsy ones too', () => {
  for (const options of [undefined, { samplingInterval: 0, maxSamples: 0, rssThreshold: 0 }]) {
    const profiler = new MemoryProfiler(options)
    assert.equal(profiler.samplingInterval, 1000)
    assert.equal(profiler.maxSamples, 1000)
    assert.deepEqual(profiler.thresholds, {
      heapUsed: 100 * MIB,
      heapTotal: 200 * MIB,
      external: 50 * MIB,
      rss: 500 * MIB,
    })
    assert.deepEqual([profiler.samples, profiler.alerts, profiler.profiling], [[], [], false])
    assert.ok(profiler.objectLeakDetector instanceof ObjectLeakDetector)
  }
})

test('bad arguments are named', async () => {
  const wrongType = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' }
  const outOfRange = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' }
  const any = /** @type {any} */ (quiet())
  assert.throws(() => new MemoryProfiler(/** @type {any} */ ('fast')), wrongType)
  assert.throws(() => quiet({ samplingInterval: -1 }), outOfRange)
  assert.throws(() => quiet({ alertCallback: /** @type {any} */ (1) }), wrongType)
  assert.throws(() => /** @type {any} */ (MemoryProfiler)(), TypeError)
  assert.throws(() => {
    any.maxSamples = 1.5
  }, outOfRange)
  assert.throws(() => any.calculateTrend(1), wrongType)
  assert.throws(() => any.createSnapshot(), wrongType)
  assert.throws(() => any.objectLeakDetector.trackObject(1), wrongType)
  await assert.rejects(any.monitor('long'), wrongType)
  await assert.rejects(any.saveReport(), wrongType)
  await assert.rejects(MemoryOptimizer.optimizeForLargeFiles('', 0), outOfRange)
  await assert.rejects(MemoryOptimizer.cleanupTemporaryFiles(/** @type {any} */ (1)), wrongType)
})

test('a sample has real figures', () => {
  const profiler = quiet()
  performance.measure('memory-profiler-test', { start: 0, duration: 4 })
  performance.measure('memory-profiler-test', { start: 0, duration: 2 })
  const sample = profiler.takeSample()
  performance.clearMeasures('memory-profiler-test')
  assert.deepEqual(profiler.samples, [sample])
  assert.deepEqual(Object.keys(sample), ['timestamp', 'memory', 'performance', 'gc'])
  assert.deepEqual(Object.keys(sample.memory), Object.keys(process.memoryUsage()))
  assert.deepEqual(sample.performance, {
    totalMeasures: 2,
    averageDuration: 3,
    maxDuration: 4,
    minDuration: 2,
  })
  const { totalHeapSize, usedHeapSize, heapSizeLimit } = sample.gc
  assert.ok(0 < usedHeapSize && usedHeapSize <= totalHeapSize && totalHeapSize <= heapSizeLimit)
  assert.equal(profiler.takeSample().performance.minDuration, 0)
})

test('samples and alerts are bounded', () => {
  const profiler = quiet({ maxSamples: 3, rssThreshold: 1 })
  const last = [1, 2, 3, 4, 5].map(() => profiler.takeSample()).slice(-3)
  assert.deepEqual(profiler.samples, last)
  assert.equal(profiler.alerts.length, 3)
  profiler.maxSamples = 1
  assert.deepEqual([profiler.takeSample()], profiler.samples)
})

test('each metric above its threshold raises an alert', () => {
  /** @type {unknown[]} */
  const told = []
  const profiler = quiet({ alertCallback: (alerts) => told.push(alerts) })
  profiler.thresholds = { heapUsed: 10, heapTotal: 20, external: 30, rss: 40 }
  profiler.checkThresholds(madeSample({ heapUsed: 11, heapTotal: 20, external: 1, rss: 41 }, 7))
  const expected = [
    { type: 'threshold_exceeded', metric: 'heapUsed', value: 11, threshold: 10, timestamp: 7 },
    { type: 'threshold_exceeded', metric: 'rss', value: 41, threshold: 40, timestamp: 7 },
  ]
  assert.deepEqual(profiler.alerts, expected)
  assert.deepEqual(told, [expected])
  profiler.checkThresholds(madeSample({ heapUsed: 10, rss: 40 }))
  assert.equal(told.length, 1)
})

test('without a callback alerts are warnings; triggerAlerts can be overridden', () => {
  const warn = mock.method(console, 'warn', () => {})
  try {
    const profiler = new MemoryProfiler({ heapThreshold: 1 })
    profiler.checkThresholds(madeSample({ heapUsed: 2 }))
    assert.deepEqual(
      warn.mock.calls.map((call) => call.arguments),
      [['Memory Alert: threshold_exceeded', profiler.alerts[0]]],
    )
    class Collecting extends MemoryProfiler {
      /** @type {string[]} */
      types = []
      /** @param {import('../lib/memory-profiler.js').MemoryAlert[]} alerts */
      triggerAlerts(alerts) {
        this.types.push(...alerts.map(({ type }) => type))
        super.triggerAlerts(alerts)
      }
    }
    const collecting = new Collecting({ heapThreshold: 1 })
    collecting.checkThresholds(madeSample({ heapUsed: 2 }))
    assert.deepEqual(collecting.types, ['threshold_exceeded'])
    assert.equal(warn.mock.callCount(), 2)
  } finally {
    warn.mock.restore()
  }
})

test('ten samples of steady growth make a leak suspected', () => {
  const growing = Array.from({ length: 10 }, (_, step) => 100 + 5 * step)
  assert.deepEqual(leakAlerts(growing.slice(1)), [])
  const alerts = leakAlerts(growing)
  assert.deepEqual(
    alerts.map(({ type }) => type),
    ['memory_leak_suspected'],
  )
  const alert = /** @type {import('../lib/memory-profiler.js').LeakAlert} */ (alerts[0])
  assert.deepEqual(Object.keys(alert), ['type', 'heapTrend', 'rssTrend', 'timestamp'])
  assert.ok(Math.abs(alert.heapTrend - 0.45) < 1e-9 && Math.abs(alert.rssTrend - 0.3) < 1e-9)
})

test('a flat, shrinking, noisy or sawtooth heap is no leak, a slow leak under a sawtooth is', () => {
  const series = (/** @type {(step: number) => number} */ heap) =>
    leakAlerts(Array.from({ length: 300 }, (_, step) => heap(step))).length
  assert.equal(
    series(() => 100),
    0,
  )
  assert.equal(
    series((step) => 500 - step),
    0,
  )
  let seed = 1
  const random = () => {
    seed = (seed * 48271) % 2147483647
    return seed / 2147483647
  }
  assert.equal(
    series(() => 80 + 40 * random()),
    0,
  )
  assert.equal(
    series((step) => 50 + 20 * (step % 8)),
    0,
  )
  assert.ok(series((step) => 50 + 10 * (step % 8) + step) > 0)
})

test('trends are last against first', () => {
  const profiler = quiet()
  assert.equal(profiler.calculateTrend([100, 90, 150]), 0.5)
  assert.deepEqual([[], [7], [0, 0]].map(profiler.calculateTrend), [0, 0, 0])
})

test('start and stop are idempotent and print unless silent', () => {
  const log = mock.method(console, 'log', () => {})
  try {
    for (const silent of [false, true]) {
      const profiler = new MemoryProfiler({ silent })
      profiler.stopProfiling()
      profiler.startProfiling()
      profiler.startProfiling()
      assert.equal(profiler.profiling, true)
      profiler.stopProfiling()
      profiler.stopProfiling()
      assert.equal(profiler.profiling, false)
    }
    assert.deepEqual(
      log.mock.calls.map((call) => call.arguments),
      [['Memory profiling started'], ['Memory profiling stopped']],
    )
  } finally {
    log.mock.restore()
  }
})

test('profiling samples on a beat, can stop, and start again', async () => {
  const profiler = quiet()
  profiler.startProfiling()
  await until(() => profiler.samples.length >= 3)
  profiler.stopProfiling()
  const { length } = profiler.samples
  const other = quiet()
  other.startProfiling()
  await until(() => other.samples.length >= 3)
  other.stopProfiling()
  assert.equal(profiler.samples.length, length)
  profiler.startProfiling()
  await until(() => profiler.samples.length > length)
  profiler.stopProfiling()
})

test('a blocked event loop gets its samples afterwards, marked and in order', async () => {
  const profiler = quiet({ samplingInterval: 2 })
  profiler.startProfiling()
  await until(() => profiler.samples.length >= 1)
  // A worker counts what its own thread samples, and lets go of this one when that is enough: by then the
  // thread under test, which is as fast, has its beats too.
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const source = `
    const { gate, library } = require('node:worker_threads').workerData
    const { MemoryProfiler } = require(library)
    const alertCallback = () => {}
    const profiler = new MemoryProfiler({ silent: true, samplingInterval: 2, alertCallback })
    profiler.startProfiling()
    const timer = setInterval(() => {
      if (profiler.samples.length < 20) return
      clearInterval(timer)
      Atomics.store(gate, 0, 1)
      Atomics.notify(gate, 0)
    }, 1)`
  const worker = new Worker(source, { eval: true, workerData: { gate, library } })
  const exited = once(worker, 'exit')
  await once(worker, 'online')
  const blockedFrom = Date.now()
  Atomics.wait(gate, 0, 0, 60_000)
  const blockedUntil = Date.now()
  await until(() => profiler.samples.some(({ heapStale }) => heapStale))
  await exited
  profiler.stopProfiling()
  const stale = profiler.samples.filter(({ heapStale }) => heapStale)
  assert.ok(
    stale.some(({ timestamp }) => timestamp >= blockedFrom && timestamp <= blockedUntil),
    'a sample of the time in which nothing else could run',
  )
  for (const { memory } of stale) assert.ok(memory.rss > 0 && memory.heapUsed > 0)
  const times = profiler.samples.map(({ timestamp }) => timestamp)
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.equal(profiler.samples.at(-1)?.heapStale, undefined)
})

test('an alert may stop the profiler, and one that throws does not stop it', async () => {
  const profiler = quiet({ rssThreshold: 1, alertCallback: () => profiler.stopProfiling() })
  profiler.startProfiling()
  await until(() => profiler.alerts.length === 1)
  assert.equal(profiler.profiling, false)

  const { stdout } = await run(`
    const { MemoryProfiler } = require(process.argv[1])
    let calls = 0
    process.on('uncaughtException', (error) => {
      console.log(error.message)
      if (++calls === 2) process.exit()
    })
    const alertCallback = () => { throw new Error('mine') }
    new MemoryProfiler({ silent: true, samplingInterval: 5, rssThreshold: 1, alertCallback }).startProfiling()
    setInterval(() => {}, 1000)`)
  assert.equal(stdout, 'mine\nmine\n')
})

test('a process exits while it is profiled, a monitored one when the report is there', async () => {
  const profiling = await run(`
    const { MemoryProfiler } = require(process.argv[1])
    new MemoryProfiler({ samplingInterval: 1 }).startProfiling()`)
  assert.equal(profiling.stdout, 'Memory profiling started\n')
  const monitored = await run(`
    const { MemoryProfiler } = require(process.argv[1])
    new MemoryProfiler({ silent: true, samplingInterval: 1 }).monitor(50)
      .then((report) => console.log(Object.keys(report).join()))`)
  const keys = 'timestamp,current,peak,statistics,alerts,suggestions,snapshots,gc,eventLoopDelay'
  assert.equal(monitored.stdout, `${keys}\n`)
})

test('workers may end or be terminated while they are profiled', async () => {
  const source = `
    const { parentPort, workerData } = require('node:worker_threads')
    const { MemoryProfiler } = require(workerData.library)
    const profiler = new MemoryProfiler({ silent: true, samplingInterval: 1, alertCallback() {} })
    profiler.startProfiling()
    const timer = setInterval(() => {
      if (profiler.samples.length < 3) return
      parentPort.postMessage('sampled')
      if (workerData.ends) clearInterval(timer)
    }, 1)`
  for (const ends of [true, false, true, false]) {
    const worker = new Worker(source, { eval: true, workerData: { library, ends } })
    const exited = once(worker, 'exit')
    await once(worker, 'message')
    if (!ends) await worker.terminate()
    assert.deepEqual(await exited, [ends ? 0 : 1])
  }
})

test('a running profiler finds a steep leak by what collections leave, and takes garbage for garbage', async () => {
  const source = (/** @type {string} */ keep) => `
    const { MemoryProfiler } = require(process.argv[1])
    let [leaks, turns] = [0, 0]
    const alertCallback = (alerts) => {
      for (const { type } of alerts) if (type === 'memory_leak_suspected') leaks++
    }
    const profiler = new MemoryProfiler({ silent: true, samplingInterval: 10, alertCallback })
    profiler.startProfiling()
    const kept = []
    setInterval(() => {
      const objects = Array.from({ length: 5000 }, (_, index) => ({ index }))
      ${keep}
      if (++turns % 20 === 0) profiler.forceGarbageCollection()
      if (leaks > 0 || profiler.samples.length >= 400) {
        console.log(leaks > 0)
        process.exit()
      }
    }, 5)`
  const [leak, garbage] = await Promise.all([run(source('kept.push(objects)')), run(source(''))])
  assert.deepEqual([leak.stdout, garbage.stdout], ['true\n', 'false\n'])
})

test('snapshots are compared over the types of both', () => {
  const profiler = quiet()
  const { objectLeakDetector: objects } = profiler
  objects.startTracking()
  objects.trackObject('Gone')
  const first = profiler.createSnapshot('first')
  assert.deepEqual(Object.keys(first), ['label', 'timestamp', 'memory', 'objectCounts'])
  assert.equal(profiler.snapshots.get('first'), first)
  objects.startTracking()
  objects.trackObject('New')
  objects.trackObject('New')
  const second = profiler.createSnapshot('second')
  const { timeDiff, memoryDiff, objectDiff } = profiler.compareSnapshots('first', 'second')
  assert.equal(timeDiff, second.timestamp - first.timestamp)
  assert.equal(memoryDiff.heapUsed, second.memory.heapUsed - first.memory.heapUsed)
  assert.deepEqual(Object.keys(memoryDiff), Object.keys(first.memory))
  assert.deepEqual(objectDiff, { Gone: -1, New: 2 })
  assert.throws(() => profiler.compareSnapshots('first', 'third'), {
    message: 'Snapshot not found',
    code: 'ERR_AIWF_SNAPSHOT_NOT_FOUND',
    label: 'third',
  })
})

test('suggestions name what is wrong', () => {
  const profiler = quiet()
  profiler.thresholds = { heapUsed: 1, heapTotal: 1, external: 1, rss: 1 }
  profiler.samples.push(madeSample({ heapUsed: 100 }), madeSample({ heapUsed: 111 }))
  assert.deepEqual(
    profiler.getOptimizationSuggestions().map(({ type, priority }) => [type, priority]),
    [
      ['high_memory_usage', 'high'],
      ['memory_leak', 'critical'],
      ['external_memory', 'medium'],
    ],
  )
  const huge = Number.POSITIVE_INFINITY
  profiler.thresholds = { heapUsed: huge, heapTotal: huge, external: huge, rss: huge }
  profiler.samples.pop()
  assert.deepEqual(profiler.getOptimizationSuggestions(), [])
})

test('a threshold that is not set is never passed', () => {
  const profiler = quiet()
  profiler.thresholds = /** @type {any} */ ({ rss: 1e12 })
  profiler.takeSample()
  const { alerts, suggestions } = profiler.generateReport()
  assert.deepEqual([alerts, suggestions], [[], []])
})

test('garbage is collected without --expose-gc', () => {
  const profiler = quiet()
  const target = new WeakRef(Array.from({ length: 1_000_000 }, (_, index) => ({ index })))
  assert.ok(target)
  const { before, after, freed } = profiler.forceGarbageCollection()
  for (const metric of /** @type {const} */ (['heapUsed', 'heapTotal', 'external', 'rss'])) {
    assert.equal(freed[metric], before[metric] - after[metric])
  }
  assert.equal(globalThis.gc, undefined)
})

test('a report covers the last 100 samples and 10 alerts', async () => {
  const profiler = quiet({ rssThreshold: 1 })
  assert.deepEqual(profiler.generateReport().statistics, {})
  for (let step = 0; step < 150; step++) {
    const value = step < 50 ? 1e9 : step
    profiler.samples.push(
      madeSample({ heapUsed: value, heapTotal: value, external: value, rss: value }),
    )
    profiler.checkThresholds(madeSample({ rss: 2 }, step))
  }
  profiler.createSnapshot('a')
  const report = profiler.generateReport()
  const range = { min: 50, max: 149, avg: 99.5 }
  assert.deepEqual(report.statistics, {
    heapUsed: range,
    heapTotal: range,
    external: range,
    rss: range,
  })
  assert.deepEqual(
    report.alerts.map(({ timestamp }) => timestamp),
    [140, 141, 142, 143, 144, 145, 146, 147, 148, 149],
  )
  assert.deepEqual(report.snapshots, ['a'])
  assert.ok(report.peak.rss >= report.current.rss / 2)
  assert.equal(profiler.peak.rss >= report.peak.rss, true)
})

test('a report is saved as a whole', async () => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'memory-profiler-test-'))
  const file = path.join(folder, 'report.json')
  const profiler = quiet()
  assert.equal(await profiler.saveReport(file), file)
  const report = JSON.parse(await fs.readFile(file, 'utf8'))
  assert.deepEqual(Object.keys(report), Object.keys(profiler.generateReport()))
  assert.deepEqual(await fs.readdir(folder), ['report.json'])
  await profiler.saveReport(path.join(folder, 'made', 'report.json'))
  const below = path.join(file, 'report.json')
  await assert.rejects(profiler.saveReport(below), {
    code: 'ENOTDIR',
    message: `ENOTDIR: not a directory, open '${below}'`,
  })
  await fs.rm(folder, { recursive: true })
})

test('monitoring stops what it started, and only that', async () => {
  const profiler = quiet()
  const monitoring = profiler.monitor(20)
  assert.equal(profiler.profiling, true)
  assert.ok('statistics' in (await monitoring))
  assert.equal(profiler.profiling, false)
  profiler.startProfiling()
  await profiler.monitor(1)
  assert.equal(profiler.profiling, true)
  profiler.stopProfiling()
})

test('objects are counted while tracked, never below zero', () => {
  const objects = new ObjectLeakDetector()
  objects.trackObject('Early')
  objects.startTracking()
  assert.equal(objects.tracking, true)
  objects.trackObject('A')
  objects.trackObject('A', 'create')
  objects.trackObject('A', 'destroy')
  objects.trackObject('B', 'destroy')
  assert.deepEqual(objects.getObjectCounts(), { A: 1, B: 0 })
  assert.deepEqual(objects.findLeakingObjects(0), [{ type: 'A', count: 1 }])
  assert.deepEqual(objects.findLeakingObjects(), [])
  objects.stopTracking()
  objects.trackObject('A')
  assert.deepEqual([objects.tracking, objects.getObjectCounts()], [false, { A: 1, B: 0 }])
  objects.startTracking()
  assert.deepEqual(objects.getObjectCounts(), {})
})

test('real objects are counted until they are collected', async () => {
  const objects = new ObjectLeakDetector()
  const collect = () => quiet().forceGarbageCollection()
  const track = (/** @type {number} */ count) => {
    for (let index = 0; index < count; index++) objects.track({ index }, 'Row')
  }
  track(1)
  objects.startTracking()
  const kept = [objects.track({}, 'Kept'), objects.track(() => {}, 'Kept')]
  track(100)
  assert.deepEqual(objects.getObjectCounts(), { Kept: 2, Row: 100 })
  objects.stopTracking()
  await until(() => {
    collect()
    return objects.getObjectCounts().Row === 0
  })
  assert.deepEqual(objects.getObjectCounts(), { Kept: 2, Row: 0 })
  objects.startTracking()
  // Neither lets those go that were tracked before the counts were cleared.
  kept.length = 0
  objects.trackObject('Kept')
  track(100)
  await until(() => {
    collect()
    return objects.getObjectCounts().Row === 0
  })
  assert.equal(objects.getObjectCounts().Kept, 1)
  const wrongType = { code: 'ERR_INVALID_ARG_TYPE' }
  assert.throws(() => objects.track(/** @type {any} */ (1), 'Row'), wrongType)
  assert.throws(() => objects.track({}, /** @type {any} */ (1)), wrongType)
})

test('large files are to be streamed', async () => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'memory-profiler-test-'))
  const file = path.join(folder, 'large')
  await fs.writeFile(file, '')
  await fs.truncate(file, 100 * MIB)
  const buffer = await MemoryOptimizer.optimizeForLargeFiles(file)
  assert.deepEqual(
    [buffer.recommendation, Object.keys(buffer)],
    ['buffer', ['recommendation', 'reason']],
  )
  await fs.truncate(file, 100 * MIB + 1)
  const streaming = await MemoryOptimizer.optimizeForLargeFiles(file)
  assert.deepEqual([streaming.recommendation, streaming.chunkSize], ['streaming', 65536])
  assert.equal((await MemoryOptimizer.optimizeForLargeFiles(file, 10)).chunkSize, 10)
  await fs.rm(folder, { recursive: true })
  await assert.rejects(MemoryOptimizer.optimizeForLargeFiles(file), {
    code: 'ENOENT',
    syscall: 'stat',
  })
})

test('data structures are judged by their size', () => {
  const optimal = 'Current data structure is optimal'
  const advice = (/** @type {unknown} */ data) =>
    MemoryOptimizer.optimizeDataStructures(data).recommendation
  for (const data of [null, undefined, 1, 'text', [], {}, new Array(10_000), new Map()]) {
    assert.equal(advice(data), optimal)
  }
  const large = Object.fromEntries(Array.from({ length: 1001 }, (_, key) => [key, key]))
  assert.notEqual(advice(new Array(10_001)), optimal)
  assert.notEqual(advice(large), optimal)
  assert.notEqual(advice(large), advice(new Array(10_001)))
})

test('the elements of arrays and buffers are no keys, and are not listed', () => {
  const optimal = 'Current data structure is optimal'
  const advice = (/** @type {unknown} */ data) =>
    MemoryOptimizer.optimizeDataStructures(data).recommendation
  const unlisted = new Proxy(new Array(20_000).fill(0), {
    ownKeys: () => assert.fail('the keys were listed'),
  })
  assert.notEqual(advice(unlisted), optimal)
  for (const data of [new Array(5_000).fill(0), Buffer.alloc(5_000), new Float64Array(5_000)]) {
    assert.equal(advice(data), optimal)
  }
})

test('old temporary files go, all else stays', async () => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'memory-profiler-test-'))
  const inside = (/** @type {string} */ name) => path.join(folder, name)
  const old = new Date(Date.now() - 3_700_000)
  for (const name of ['old', 'aiwf-old', 'new', 'target']) await fs.writeFile(inside(name), '')
  await fs.mkdir(inside('folder'))
  await fs.symlink(inside('new'), inside('link'))
  for (const name of ['old', 'aiwf-old', 'folder']) await fs.utimes(inside(name), old, old)
  await fs.lutimes(inside('link'), old, old)
  const removed = await MemoryOptimizer.cleanupTemporaryFiles(`${folder}/.`)
  assert.deepEqual(removed, [inside('aiwf-old'), inside('old')])
  assert.deepEqual((await fs.readdir(folder)).sort(), ['folder', 'link', 'new', 'target'])

  // Without a folder it works on the system's, which a child process can be told.
  await fs.writeFile(inside('aiwf-mine'), '')
  for (const name of ['aiwf-mine', 'target']) await fs.utimes(inside(name), old, old)
  const source = `
    process.env.TMPDIR = process.env.TEMP = process.env.TMP = ${JSON.stringify(folder)}
    require(process.argv[1]).MemoryOptimizer.cleanupTemporaryFiles()
      .then((removed) => console.log(JSON.stringify(removed)))`
  const { stdout } = await run(source)
  assert.deepEqual(JSON.parse(stdout), [inside('aiwf-mine')])
  await fs.rm(folder, { recursive: true })
  await assert.rejects(MemoryOptimizer.cleanupTemporaryFiles(folder), { code: 'ENOENT' })
})

test('no name for a folder is not the working directory', async () => {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'memory-profiler-test-'))
  const old = new Date(Date.now() - 3_700_000)
  await fs.writeFile(path.join(folder, 'old'), '')
  await fs.utimes(path.join(folder, 'old'), old, old)
  const source = `
    process.chdir(${JSON.stringify(folder)})
    require(process.argv[1]).MemoryOptimizer.cleanupTemporaryFiles('')
      .catch(({ name, code }) => console.log(JSON.stringify([name, code])))`
  const { stdout } = await run(source)
  assert.equal(stdout.trim(), '["TypeError","ERR_INVALID_ARG_VALUE"]')
  assert.deepEqual(await fs.readdir(folder), ['old'])
  await fs.rm(folder, { recursive: true })
})
