// @ts-check
// How samples and figures leave the profiler: as a stream, as metrics, as anomalies, as a page.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import fs from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { MemoryProfiler } from '../lib/memory-profiler.js'
import { openPage, withoutBrowser } from './support/browser.mjs'
import { workspace } from './support/workspace.mjs'

/** @import * as types from '../lib/memory-profiler.js' */

const library = path.join(import.meta.dirname, '../lib/memory-profiler.js')
const MIB = 2 ** 20

/** @param {types.MemoryProfilerOptions} [options] */
const quiet = (options) =>
  new MemoryProfiler({ silent: true, alertCallback() {}, samplingInterval: 2, ...options })

test('a stream gives samples until its signal fires, and profiles meanwhile', async () => {
  const profiler = quiet()
  const controller = new AbortController()
  /** @type {types.MemorySample[]} */
  const seen = []
  const reason = new Error('enough')
  const reading = async () => {
    for await (const sample of profiler.stream({ signal: controller.signal })) {
      assert.equal(profiler.profiling, true)
      seen.push(sample)
      if (seen.length === 5) controller.abort(reason)
    }
  }
  await assert.rejects(reading(), (error) => error === reason)
  assert.equal(profiler.profiling, false)
  assert.deepEqual(seen, profiler.samples.slice(0, 5))
  assert.equal(profiler.listenerCount('sample') + profiler.listenerCount('stop'), 0)
  await assert.rejects(
    profiler.stream({ signal: AbortSignal.abort(reason) }).next(),
    (error) => error === reason,
  )
  assert.equal(profiler.profiling, false)
})

test('streams share one profiler, and end when it stops', async () => {
  const profiler = quiet()
  const first = profiler.stream()
  const second = profiler.stream()
  await first.next()
  await second.next()
  await first.return()
  assert.equal(profiler.profiling, true, 'the other one goes on')
  await second.next()
  profiler.stopProfiling()
  let left = 0
  for await (const _ of second) left++
  assert.ok(left <= 100)

  profiler.startProfiling()
  for await (const _ of profiler.stream()) break
  assert.equal(profiler.profiling, true, 'it was started by somebody else')
  profiler.stopProfiling()
})

test('a slow reader misses the oldest samples, and memory stays bounded', async () => {
  const profiler = quiet()
  const stream = profiler.stream({ capacity: 2 })
  const first = await stream.next()
  for (let count = 0; count < 10; count++) profiler.takeSample()
  const last = profiler.samples.slice(-2)
  assert.deepEqual([(await stream.next()).value, (await stream.next()).value], last)
  assert.ok(first.value)
  await stream.return()
  assert.throws(() => profiler.stream(/** @type {any} */ (null)), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.throws(() => profiler.stream({ capacity: 0 }), { code: 'ERR_OUT_OF_RANGE' })
  assert.throws(() => profiler.stream({ signal: /** @type {any} */ (1) }), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})

test('monitor() that cannot start does not keep the next one from stopping', async () => {
  const profiler = quiet()
  const failure = new Error('not now')
  profiler.startProfiling = () => {
    throw failure
  }
  await assert.rejects(profiler.monitor(1), (error) => error === failure)
  profiler.startProfiling = MemoryProfiler.prototype.startProfiling
  await profiler.monitor(1)
  assert.equal(profiler.profiling, false)
})

test('a listener that throws costs no sample of a time when the loop was blocked', async () => {
  const source = `
    const { MemoryProfiler } = require(process.argv[1])
    const profiler = new MemoryProfiler({ silent: true, samplingInterval: 1 })
    let thrown = 0
    process.on('uncaughtException', () => thrown++)
    profiler.on('sample', () => { throw new Error('told') })
    profiler.startProfiling()
    const end = performance.now() + 300
    while (performance.now() < end);
    const watch = setInterval(() => {
      if (profiler.samples.length === 0) return
      clearInterval(watch)
      profiler.stopProfiling()
      const stale = profiler.samples.filter(({ heapStale }) => heapStale).length
      console.log(stale > 2, thrown === profiler.samples.length)
    }, 1)`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', source, library])
  assert.equal(stdout, 'true true\n')
})

test('a process that waits for a sample lives until it comes', async () => {
  const source = `
    const { MemoryProfiler } = require(process.argv[1])
    const profiler = new MemoryProfiler({ silent: true, samplingInterval: 20 })
    const read = async () => {
      for await (const sample of profiler.stream()) return sample.memory.rss > 0
    }
    read().then(console.log)`
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', source, library])
  assert.equal(stdout, 'true\n')
})

test('metrics are those that dashboards for Node know', async () => {
  const profiler = quiet({ rssThreshold: 1 })
  const stream = profiler.stream()
  await stream.next()
  profiler.forceGarbageCollection()
  // Collections are told some turns later.
  while (!(profiler.generateReport().gc?.major.count ?? 0)) await stream.next()
  const text = profiler.prometheus()
  await stream.return()
  /** @type {Map<string, number>} */
  const samples = new Map()
  const families = new Set()
  for (const line of text.trimEnd().split('\n')) {
    const type = /^# TYPE (\S+) (?:counter|gauge|histogram)$/.exec(line)
    if (type) {
      assert.ok(!families.has(type[1]), `${type[1]} comes once`)
      families.add(type[1])
    } else if (!line.startsWith('# HELP ')) {
      const sample = /^([a-z0-9_]+(?:\{(?:[a-z]+="[^"]*",?)+\})?) (\+Inf|-?[0-9.e+-]+)$/.exec(line)
      assert.ok(sample, line)
      samples.set(sample[1], Number(sample[2].replace('+Inf', 'Infinity')))
    }
  }
  const value = (/** @type {string} */ name) => {
    const found = samples.get(name)
    assert.notEqual(found, undefined, `${name} in\n${text}`)
    return /** @type {number} */ (found)
  }
  const { rss, heapUsed } = process.memoryUsage()
  assert.ok(Math.abs(value('process_resident_memory_bytes') - rss) < 64 * MIB)
  assert.ok(Math.abs(value('nodejs_heap_size_used_bytes') - heapUsed) < 64 * MIB)
  assert.ok(value('process_cpu_seconds_total') > 0)
  assert.ok(
    Math.abs(value('process_start_time_seconds') - (Date.now() / 1e3 - process.uptime())) < 2,
  )
  assert.ok(value('nodejs_heap_space_size_used_bytes{space="old"}') > 0)
  assert.ok(value('nodejs_eventloop_lag_seconds') >= 0)
  assert.ok(value('nodejs_gc_duration_seconds_count{kind="major"}') >= 1)
  assert.equal(
    value('nodejs_gc_duration_seconds_bucket{le="+Inf",kind="major"}'),
    value('nodejs_gc_duration_seconds_count{kind="major"}'),
  )
  assert.ok(value('aiwf_memory_alerts_total{type="threshold_exceeded"}') >= 1)
  assert.equal(
    samples.get(
      `nodejs_version_info{version="${process.version}",major="${process.versions.node.split('.')[0]}",minor="${process.versions.node.split('.')[1]}",patch="${process.versions.node.split('.')[2]}"}`,
    ),
    1,
  )
  if (process.platform === 'linux') assert.ok(value('process_open_fds') > 2)
})

test('each metric of the beat has a score, and what does not fit is told', async () => {
  const profiler = quiet()
  /** @type {types.MemoryAnomaly[]} */
  const anomalies = []
  profiler.on('anomaly', (anomaly) => anomalies.push(anomaly))
  const stream = profiler.stream()
  const until = async (/** @type {(sample: types.MemorySample) => unknown} */ wanted) => {
    for (let count = 0; count < 20_000; count++) {
      const sample = /** @type {types.MemorySample} */ ((await stream.next()).value)
      if (wanted(sample)) return sample
    }
    assert.fail('no such sample came')
  }
  const scored = await until((sample) => sample.anomalyScores?.external !== undefined)
  assert.deepEqual(Object.keys(scored.anomalyScores ?? {}).sort(), [
    'eventLoopDelay',
    'external',
    'heapTotal',
    'heapUsed',
    'rss',
  ])
  const ballast = Buffer.alloc(200 * MIB, 1)
  const isOdd = () => anomalies.find(({ metric }) => metric === 'external')
  await until(isOdd)
  await stream.return()
  const { kind, value, expected, score } = /** @type {types.MemoryAnomaly} */ (isOdd())
  assert.ok(['spike', 'shift'].includes(kind) && score > 3)
  assert.ok(value - expected > 150 * MIB && ballast.length > 0)
})

test('a report is a page that looks the same without a network', {
  skip: withoutBrowser,
}, async (t) => {
  const folder = await workspace(t)
  const label = '<img src=x onerror="document.title=1">'
  const file = path.join(folder, 'report.html')
  // In a process without the browser's driver, of whose heap V8 takes minutes to make a snapshot.
  const source = `
    const { MemoryProfiler } = require(process.argv[1])
    const [, , folder, file, label] = process.argv
    const alertCallback = () => {}
    const profiler = new MemoryProfiler(
      { silent: true, alertCallback, samplingInterval: 2, rssThreshold: 1, alertInterval: 200 })
    const kept = []
    const run = async () => {
      await profiler.createSnapshot(label, { heap: true, path: folder + '/a' })
      for await (const sample of profiler.stream()) {
        kept.push(new Array(10_000).fill(sample.timestamp))
        if (kept.length === 60) break
      }
      await profiler.createSnapshot('later', { heap: true, path: folder + '/b' })
      console.log(await profiler.generateHTMLReport(file))
    }
    run()`
  const args = ['-e', source, library, folder, file, label]
  const { stdout } = await promisify(execFile)(process.execPath, args)
  assert.equal(stdout, `${file}\n`)
  const page = await openPage(t, { viewport: { width: 390, height: 844 } })
  /** @type {string[]} */
  const requests = []
  page.on('request', (request) => requests.push(request.url()))
  const { href } = pathToFileURL(file)
  await page.goto(href)
  assert.deepEqual(requests, [href])
  assert.equal(await page.title(), 'Memory Report')
  assert.deepEqual(await page.locator('figcaption').allTextContents(), [
    'Memory; dashed where an alert was raised',
    'Event loop delay',
  ])
  assert.equal(await page.locator('polyline').count(), 5)
  const points = await page.locator('polyline').first().getAttribute('points')
  assert.ok(/** @type {string} */ (points).trim().split(' ').length >= 50)
  const headings = await page.locator('h2').allTextContents()
  assert.ok(headings.some((text) => text.startsWith(`Heap snapshot “${label}”`)))
  assert.ok(headings.some((text) => text.startsWith('Grown from')))
  const wide = await page.evaluate('document.documentElement.scrollWidth')
  assert.ok(/** @type {number} */ (wide) <= 390, 'nothing but tables scrolls sideways')
  const shots = process.env.SCREENSHOTS
  if (!shots) return
  for (const [width, colorScheme] of /** @type {const} */ ([
    [390, 'light'],
    [390, 'dark'],
    [1280, 'light'],
    [1280, 'dark'],
  ])) {
    await page.emulateMedia({ colorScheme })
    await page.setViewportSize({ width, height: 900 })
    await page.screenshot({ path: path.join(shots, `${width}-${colorScheme}.png`), fullPage: true })
  }
})

test('half a character in advice does not stop a page', async (t) => {
  const profiler = quiet()
  const report = profiler.generateReport()
  const advice = /** @type {const} */ ({ suggestion: 'a\ud800', priority: 'high' })
  profiler.generateReport = () => ({ ...report, suggestions: [/** @type {any} */ (advice)] })
  const page = await profiler.generateHTMLReport(path.join(await workspace(t), 'report.html'))
  assert.match(await fs.readFile(page, 'utf8'), /a\ufffd/)
})

test('a page is written as a whole or not at all', async (t) => {
  const folder = await workspace(t)
  const below = path.join(folder, 'file', 'report.html')
  await fs.writeFile(path.join(folder, 'file'), '')
  await assert.rejects(quiet().generateHTMLReport(below), { code: 'ENOTDIR', path: below })
  await assert.rejects(quiet().generateHTMLReport(/** @type {any} */ (1)), {
    code: 'ERR_INVALID_ARG_TYPE',
  })
})
