// @ts-check
// The formats of reports: JSON by its schema, HTML in a real browser, Markdown, JUnit XML.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { PerformanceBenchmark } from '../lib/performance-benchmark.js'
import { openPage, withoutBrowser } from './support/browser.mjs'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const require = createRequire(import.meta.url)
const nasty = '<img src=x onerror=alert(1)>|`]]> & "quoted"'

/**
 * A benchmark with a suite that ran in several processes and regressed, a failing test, and a load test that took
 * long enough for a timeline.
 *
 * @param {import('node:test').TestContext} t
 */
async function benchmarked(t) {
  const benchmark = new PerformanceBenchmark({ silent: true, warmupIterations: 0, iterations: 50 })
  await benchmark.run({
    name: nasty,
    tests: [
      { name: nasty, fn: () => JSON.parse('[1,2,3]') },
      { name: 'batched', fn: () => {}, time: 20 },
      { name: 'broken', fn: () => Promise.reject(new Error(nasty)) },
    ],
  })
  const [suite] = benchmark.results
  suite.tests[1].optimizedAway = true
  const runs = (/** @type {number} */ value) => ({
    duration: [1, 1.01, 1.02, 1.03].map((factor) => factor * value),
    memory: [],
    throughput: [],
  })
  suite.tests[0].runs = runs(2)
  const baseline = {
    version: /** @type {const} */ (1),
    entries: [
      {
        timestamp: 0,
        machine: { ...benchmark.generateReport().systemInfo.machine, cpu: nasty },
        suites: [{ name: nasty, tests: [{ name: nasty, runs: runs(1) }] }],
      },
    ],
  }
  await benchmark.compareToBaseline(baseline)
  const { url } = await serve(t, (_, response, count) =>
    response.writeHead(count % 20 ? 200 : 500).end(),
  )
  await benchmark.runLoadTest({
    name: nasty,
    target: url,
    duration: 2100,
    rampUp: 900,
    concurrency: 4,
  })
  return benchmark
}

test('the JSON report is as its schema says', async (t) => {
  const benchmark = await benchmarked(t)
  const file = await benchmark.saveReport(join(await workspace(t), 'report.json'))
  const schema = require('aiwf-native/benchmark-report.schema.json')
  const validate = new Ajv2020({ allErrors: true, allowUnionTypes: true }).compile(schema)
  const faults = (/** @type {unknown} */ value) => (validate(value) ? [] : validate.errors)
  const report = JSON.parse(await readFile(file, 'utf8'))
  assert.deepEqual(faults(report), [])
  assert.deepEqual([report.schemaVersion, report.loadTests.length], [1, 1])
  report.suites[0].tests[0].metrics.duration = 'slow'
  assert.equal(faults(report)?.[0].instancePath, '/suites/0/tests/0/metrics/duration')
})

describe('the HTML report in a browser', { skip: withoutBrowser }, () => {
  for (const [device, viewport] of /** @type {const} */ ([
    ['desktop', { width: 1280, height: 900 }],
    ['phone', { width: 390, height: 844 }],
  ])) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      test(`${device}, ${colorScheme}`, async (t) => {
        const benchmark = await benchmarked(t)
        const folder = await workspace(t)
        const file = await benchmark.generateHTMLReport(join(folder, 'report.html'))
        const page = await openPage(t, { viewport, colorScheme })
        /** @type {string[]} */
        const wrong = []
        page.on('pageerror', (error) => wrong.push(String(error)))
        page.on('console', (message) => wrong.push(message.text()))
        page.on(
          'request',
          (request) => request.url().startsWith('file:') || wrong.push(request.url()),
        )
        page.on('dialog', (dialog) => wrong.push(dialog.message()))
        await page.goto(pathToFileURL(file).href)
        assert.deepEqual(wrong, [])

        const text = (await page.textContent('body')) ?? ''
        for (const shown of ['Performance regression detected', 'p99.9', nasty, '+100.0 %']) {
          assert(text.includes(shown), shown)
        }
        // A comparison, histograms of timings and of response times, three timelines.
        const captions = await page.locator('figcaption').allInnerTexts()
        for (const caption of [
          /Relative change/,
          /^Durations/,
          /^Response times, log/,
          /requests a second/,
          /over time/,
          /Workers/,
        ]) {
          assert(
            captions.some((known) => caption.test(known)),
            `${caption} in ${captions}`,
          )
        }
        // Everything is drawn, within the page; what is wider scrolls in its own box.
        const overflow = await page.evaluate('document.documentElement.scrollWidth - innerWidth')
        assert.equal(overflow, 0)
        for (const chart of await page.locator('figure').all()) {
          const box = await chart.boundingBox()
          assert(box && box.width > 200 && box.height > 20)
        }
        const background = await page.evaluate('getComputedStyle(document.body).backgroundColor')
        assert.equal(background, colorScheme === 'dark' ? 'rgb(22, 22, 24)' : 'rgb(255, 255, 255)')
        // What labels say is large enough to be read.
        const sizes = await page
          .locator('.axis, .change span, td, figcaption')
          .evaluateAll((labels) =>
            labels.map((label) => Number.parseFloat(getComputedStyle(label).fontSize)),
          )
        assert(Math.min(...sizes) >= 12, `${Math.min(...sizes)}`)
        if (process.env.SCREENSHOTS) {
          const path = join(process.env.SCREENSHOTS, `benchmark-${device}-${colorScheme}.png`)
          await page.screenshot({ path, fullPage: true })
        }
      })
    }
  }
})

test('the Markdown report is a set of tables whose cells nothing leaves', async (t) => {
  const benchmark = await benchmarked(t)
  const file = await benchmark.generateMarkdownReport(join(await workspace(t), 'report.md'))
  const markdown = await readFile(file, 'utf8')
  assert.match(markdown, /\*\*Performance regression detected\*\*/)
  assert.match(markdown, /\| regressed \| .*\| duration \| \+100\.0 %/)
  assert.match(markdown, /batched \(optimised away\)/)
  assert(!markdown.includes('<img') && markdown.includes('&lt;img'))
  // Every row of a table has as many cells as the one above it.
  let cells = 0
  for (const line of markdown.split('\n')) {
    const found = line.startsWith('|') ? line.replaceAll('\\|', '').split('|').length : 0
    assert(cells === 0 || found === 0 || found === cells, line)
    cells = found
  }
})

test('the JUnit report is XML whose failures are what failed and what regressed', {
  skip: withoutBrowser,
}, async (t) => {
  const benchmark = await benchmarked(t)
  const file = await benchmark.generateJUnitReport(join(await workspace(t), 'report.xml'))
  const xml = await readFile(file, 'utf8')
  const page = await openPage(t)
  // The browser's XML parser is the judge.
  const suites = await page.evaluate((text) => {
    const parsed = new DOMParser().parseFromString(text, 'application/xml')
    const error = parsed.querySelector('parsererror')?.textContent
    if (error) throw new Error(error)
    return [...parsed.querySelectorAll('testsuite')].map((suite) => ({
      name: suite.getAttribute('name'),
      tests: suite.getAttribute('tests'),
      failures: suite.getAttribute('failures'),
      cases: [...suite.querySelectorAll('testcase')].map((known) => [
        known.getAttribute('name'),
        known.querySelector('failure')?.getAttribute('message') ?? null,
      ]),
    }))
  }, xml)
  assert.deepEqual(suites, [
    {
      name: nasty,
      tests: '3',
      failures: '2',
      cases: [
        [nasty, 'Performance regression detected: duration +100.0 %'],
        ['batched', null],
        ['broken', nasty],
      ],
    },
    { name: 'Load tests', tests: '1', failures: '0', cases: [[nasty, null]] },
  ])
})

test('half a character in a name or a message is shown as U+FFFD', async (t) => {
  const folder = await workspace(t)
  const benchmark = new PerformanceBenchmark({ silent: true, warmupIterations: 0, iterations: 2 })
  const fn = () => Promise.reject(new Error('message\udc00'))
  await benchmark.run({ name: 'suite\ud800', tests: [{ name: 'test', fn }] })
  for (const save of /** @type {const} */ ([
    'generateHTMLReport',
    'generateMarkdownReport',
    'generateJUnitReport',
  ])) {
    const text = await readFile(await benchmark[save](join(folder, save)), 'utf8')
    assert.match(text, /suite\ufffd/)
    assert.match(text, /message\ufffd/)
  }
})

test('every format fails as node:fs does', async (t) => {
  const benchmark = new PerformanceBenchmark({ silent: true })
  const path = join(await workspace(t), 'missing\0', 'report')
  for (const save of /** @type {const} */ (['generateMarkdownReport', 'generateJUnitReport'])) {
    await assert.rejects(benchmark[save](path), Error)
    await assert.rejects(benchmark[save](/** @type {any} */ (5)), { code: 'ERR_INVALID_ARG_TYPE' })
  }
})
