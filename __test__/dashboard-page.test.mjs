// @ts-check
// The page of the dashboard in a real browser, while a load test runs. `SCREENSHOTS` names a folder that keeps what it
// looks like.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import {
  AlertSystem,
  AutoTuner,
  FileBatchProcessor,
  MemoryProfiler,
  Monitor,
  OptimizedGitHubClient,
  PerformanceBenchmark,
} from '../lib/index.js'
import { openPage, withoutBrowser } from './support/browser.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

/** A process in which everything that is shown goes on. @param {import('node:test').TestContext} t */
async function busyProcess(t) {
  /** @type {NodeJS.Timeout | undefined} */
  let work
  const processor = new FileBatchProcessor()
  // Before the folder goes.
  t.after(async () => {
    clearInterval(work)
    await processor.waitForCompletion()
  })
  const folder = await workspace(t)
  const api = await serve(t, (_request, response) => response.end('{"ok":true}'))
  const client = new OptimizedGitHubClient(api.url, { cacheDir: join(folder, 'cache') })
  await client.init()
  const profiler = new MemoryProfiler({ silent: true, rssThreshold: 1, alertCallback() {} })
  const benchmark = new PerformanceBenchmark({ silent: true })
  const alerts = new AlertSystem()
  const tuner = new AutoTuner().attach(processor)
  const monitor = new Monitor({ alerts })
  for (const source of [client, processor, profiler, benchmark, tuner]) monitor.attach(source)
  profiler.takeSample()
  alerts.sendAlert({ type: '<img src=x onerror=alert(1)>', metric: '<b>queue</b>', value: 2 })
  monitor.record('<i>own metric</i>', 42)
  let round = 0
  work = setInterval(() => {
    round++
    client.cachedFetch(`/repos/${round % 20}`).catch(() => {})
    processor.addWriteOperation(join(folder, `${round % 50}`), 'x'.repeat(10_000)).catch(() => {})
  }, 20)
  const server = await monitor.serve({ interval: 200, title: 'busy app' })
  t.after(() => server.close())
  return { api, benchmark, server }
}

/**
 * @param {import('playwright-core').Page} page
 * @param {string} name
 */
async function keepScreenshot(page, name) {
  const folder = process.env.SCREENSHOTS
  if (folder) await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true })
}

/** @param {import('playwright-core').Page} page @param {string} id */
const textOf = async (page, id) => (await page.locator(`#${id}`).textContent()) ?? ''

for (const [name, options] of /** @type {const} */ ([
  ['desktop-light', { viewport: { width: 1280, height: 800 }, colorScheme: 'light' }],
  ['phone-dark', { viewport: { width: 390, height: 844 }, colorScheme: 'dark' }],
])) {
  test(`draws a running load test live: ${name}`, { skip: withoutBrowser }, async (t) => {
    const { api, benchmark, server } = await busyProcess(t)
    const page = await openPage(t, options)
    /** @type {string[]} */
    const complaints = []
    /** @type {string[]} */
    const asked = []
    page.on('console', (message) => complaints.push(message.text()))
    page.on('pageerror', (error) => complaints.push(String(error)))
    page.on('request', (request) => asked.push(request.url()))
    await page.goto(server.url)
    await page.getByRole('status').filter({ hasText: 'Live' }).waitFor()
    assert.equal(await page.title(), 'busy app')

    const load = { name: 'Home', target: api.url, duration: 60_000, concurrency: 4, rampUp: 0 }
    const stop = new AbortController()
    const test = benchmark.runLoadTest({ ...load, signal: stop.signal })
    const ended = assert.rejects(test)
    const card = page.locator('#load-1')
    await card.getByText('running').waitFor()
    // It moves: the chart has a point more for each second.
    const line = card.locator('svg path').first()
    const points = async () => ((await line.getAttribute('d')) ?? '').split('L').length - 1
    await line.waitFor({ state: 'attached' })
    const before = await points()
    await page.waitForFunction((known) => {
      const path = document.querySelector('#load-1 svg path')
      return (path?.getAttribute('d') ?? '').split('L').length - 1 > known + 1
    }, before)
    assert.match(await textOf(page, 'load-1'), /Load test: Home.*Requests[\d,]+.*Workers4/)
    const label = await card.getByRole('img').first().getAttribute('aria-label')
    assert.match(label ?? '', /^Throughput: Throughput [\d,.]+ \/s$/)

    assert.match(await textOf(page, 'memory'), /Resident \d+\.\d MiB/)
    assert.match(await textOf(page, 'cpu'), /Busy [\d.]+ %/)
    assert.match(await textOf(page, 'cache'), /Hit rate\d.*Memory hits/)
    assert.match(await textOf(page, 'rate-limit'), /Max requests60/)
    assert.match(await textOf(page, 'files'), /Operations[\d,]+/)
    assert.match(await textOf(page, 'alerts'), /rss: [\d.]+ MiB is above 1 B/)
    // What others named is text.
    assert.match(await textOf(page, 'alerts'), /<b>queue<\/b>: <img src=x/)
    assert.match(await textOf(page, 'windows'), /<i>own metric<\/i>/)
    assert.equal(await page.locator('main :is(img, b, i)').count(), 0)

    // Nothing wider than the screen, nothing asked of anybody else, nothing refused by the policy.
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    )
    assert.equal(overflow, 0)
    assert.ok(
      asked.every((url) => url.startsWith(`http://127.0.0.1:${server.port}/`) || url === 'data:,'),
    )
    assert.deepEqual(complaints, [])
    await keepScreenshot(page, name)

    stop.abort()
    await ended
    await card.getByText('ended', { exact: true }).waitFor()
    await server.close()
    await page.getByRole('status').filter({ hasText: 'The process has closed this page' }).waitFor()
    await keepScreenshot(page, `${name}-closed`)
  })
}

test('shows no limit where there is none', { skip: withoutBrowser }, async (t) => {
  const profiler = new MemoryProfiler({ silent: true, rssThreshold: Infinity })
  const server = await new Monitor().attach(profiler).serve({ interval: 200 })
  t.after(() => server.close())
  const page = await openPage(t)
  await page.goto(server.url)
  await page.locator('#memory').getByText('Resident').first().waitFor()
  assert.doesNotMatch(await textOf(page, 'memory'), /Alert/)
})

test('goes on while the event loop is blocked, and says so', {
  skip: withoutBrowser,
}, async (t) => {
  const fixture = fileURLToPath(new URL('./fixtures/dashboard-process.mjs', import.meta.url))
  const child = spawn(process.execPath, [fixture, 'block'])
  t.after(() => child.kill('SIGKILL'))
  const [line] = await once(child.stdout, 'data')
  const page = await openPage(t, { viewport: { width: 1280, height: 800 }, colorScheme: 'dark' })
  await page.goto(String(line).trim())
  const status = page.getByRole('status')
  await status.filter({ hasText: 'Live' }).waitFor()
  child.stdin.write('block\n')
  await status.filter({ hasText: 'Event loop blocked' }).waitFor()
  const age = page.locator('#memory dd').first()
  const shown = await age.textContent()
  await age.filter({ hasNotText: String(shown) }).waitFor()
  assert.match(await textOf(page, 'memory'), /JavaScript figures[\d.]+ s old/)
  await keepScreenshot(page, 'blocked-dark')
  child.kill('SIGKILL')
  await status.filter({ hasText: 'Disconnected' }).waitFor()
})
