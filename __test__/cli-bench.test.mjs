// @ts-check
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { palette } from '../lib/cli/colour.js'
import { liveLine } from '../lib/cli/live-line.js'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))

/**
 * Runs a command line to its end.
 *
 * @param {string[]} args
 * @returns {Promise<{ status: unknown, stdout: string, stderr: string }>}
 */
const run = (...args) =>
  new Promise((resolve) => {
    execFile(process.execPath, [command, ...args], (error, stdout, stderr) =>
      resolve({ status: error?.code ?? 0, stdout, stderr }),
    )
  })

/** A suite whose test takes `steps` steps. @param {string} file @param {number} steps */
const suite = (file, steps) =>
  writeFile(
    file,
    `let sum = 0
    export default {
      name: 'Suite',
      tests: [{ name: 'steps', fn() { for (let step = 0; step < ${steps}; step++) sum += step % 7; return sum } }],
    }`,
  )

describe('bench', () => {
  test('saves a baseline, and fails with a table when a test got slower', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    const baseline = join(folder, 'baseline.json')
    await suite(file, 1_000)
    const options = ['--runs', '4', '--time', '20']
    const first = await run('bench', file, ...options, '--save', baseline)
    assert.equal(first.status, 0, first.stderr)
    assert.match(first.stdout, /^Test .*Median/m)
    assert.match(first.stdout, /^steps +\d/m)
    assert(!first.stdout.includes('\x1b') && first.stderr === '')
    const { entries } = JSON.parse(await readFile(baseline, 'utf8'))
    assert.equal(entries[0].suites[0].tests[0].runs.duration.length, 4)
    // So much slower that no load on the machine makes up for it.
    await suite(file, 1_000_000)
    const slower = await run('bench', file, ...options, '--baseline', baseline, '--format', 'junit')
    assert.equal(slower.status, 1)
    assert.match(slower.stderr, /^Performance regression detected$/m)
    assert.match(slower.stderr, /^Suite › steps +duration +\+\d+/m)
    assert.match(slower.stdout, /<failure message="Performance regression detected/)
    await suite(file, 1)
    const faster = await run('bench', file, ...options, '--baseline', baseline)
    assert.equal(faster.status, 0, faster.stderr)
    assert.match(faster.stdout, /better: Suite › steps duration -9/)
  })

  test('writes every format, also to a file', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    await suite(file, 10)
    for (const [format, start] of [
      ['json', '{'],
      ['html', '<!DOCTYPE html>'],
      ['markdown', '## Benchmarks'],
      ['junit', '<?xml'],
    ]) {
      const output = join(folder, format)
      const { status, stdout } = await run('bench', file, '--format', format, '--output', output)
      assert.deepEqual([status, stdout], [0, ''])
      assert((await readFile(output, 'utf8')).startsWith(start))
    }
    const { stdout } = await run('bench', file, '--histogram')
    assert.match(stdout, /█+ +\d+$/m)
  })

  test('needs no more than one run to fail', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    const baseline = join(folder, 'baseline.json')
    await suite(file, 1)
    assert.equal((await run('bench', file, '--time', '20', '--save', baseline)).status, 0)
    // So much slower that no load on the machine makes up for it.
    await suite(file, 1_000_000)
    const slower = await run('bench', file, '--runs', '1', '--time', '20', '--baseline', baseline)
    assert.equal(slower.status, 1)
    assert.match(slower.stderr, /^Performance regression detected$/m)
    assert.match(slower.stderr, /^Suite › steps +duration +\+\S+ % +\+20\.0 % +– +–$/m)
    assert.doesNotMatch(slower.stdout, /No regression/)
  })

  test('makes its baseline in the first run', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    const baseline = join(folder, 'baseline.json')
    await suite(file, 1_000)
    const options = ['--iterations', '3', '--baseline', baseline, '--save', baseline]
    const first = await run('bench', file, ...options)
    assert.deepEqual([first.status, first.stderr], [0, ''])
    assert.match(first.stdout, /No baseline yet/)
    assert.doesNotMatch((await run('bench', file, ...options)).stdout, /No baseline yet/)
    assert.equal((await run('bench', file, '--save', folder)).stdout, '')
  })

  test('saves no regression: the next run would have nothing to fail against', async (t) => {
    const folder = await workspace(t)
    const file = join(folder, 'suite.mjs')
    const baseline = join(folder, 'baseline.json')
    const options = ['--time', '20', '--save', baseline]
    await suite(file, 1)
    assert.equal((await run('bench', file, ...options)).status, 0)
    const before = await readFile(baseline, 'utf8')
    await suite(file, 1_000_000)
    for (const gate of [
      ['--baseline', baseline],
      ['--max-duration', '0'],
    ]) {
      const { status, stderr } = await run('bench', file, ...options, ...gate)
      assert.equal(status, 1)
      assert.match(stderr, /not saved/)
      assert.equal(await readFile(baseline, 'utf8'), before)
    }
  })

  test('compares suites of one name from several files', async (t) => {
    const folder = await workspace(t)
    const files = ['a', 'b'].map((name) => join(folder, `${name}.mjs`))
    for (const file of files) {
      const name = `'test of ${file.at(-5)}'`
      await writeFile(
        file,
        `export default { name: 'Suite', tests: [{ name: ${name}, fn() {}, iterations: 2 }] }`,
      )
    }
    const baseline = join(folder, 'baseline.json')
    assert.equal((await run('bench', ...files, '--save', baseline)).status, 0)
    const { entries } = JSON.parse(await readFile(baseline, 'utf8'))
    assert.deepEqual(
      entries[0].suites[0].tests.map((/** @type {any} */ { name }) => name),
      ['test of a', 'test of b'],
    )
  })

  test('fails with a table when a test is slower than it may be', async (t) => {
    const file = join(await workspace(t), 'suite.mjs')
    await suite(file, 1_000_000)
    const slow = await run('bench', file, '--iterations', '3', '--max-duration', '0.000001')
    assert.equal(slow.status, 1)
    assert.match(slow.stderr, /^Performance regression detected$/m)
    assert.match(slow.stderr, /^Test +Average +Threshold$/m)
    assert.match(slow.stderr, /^Suite › steps +[\d.]+ \S+ +1\.00 ns$/m)
    assert.match(slow.stdout, /^steps is too slow: /m)
    const fast = await run('bench', file, '--iterations', '3', '--max-duration', '3600000')
    assert.deepEqual([fast.status, fast.stderr], [0, ''])
    assert.doesNotMatch(fast.stdout, /too slow/)
  })

  test('fails if a test does, or a file is no suite', async (t) => {
    const file = join(await workspace(t), 'suite.mjs')
    await writeFile(
      file,
      `export default { name: 'a', tests: [{ name: 'b', fn() { throw Error('no luck') } }] }`,
    )
    const failed = await run('bench', file)
    assert.equal(failed.status, 1)
    assert.match(failed.stdout, /b failed: no luck/)
    await writeFile(file, 'export default 5')
    const none = await run('bench', file)
    assert.deepEqual([none.status, none.stdout], [1, ''])
    assert.match(none.stderr, /exports no benchmark suite/)
    const missing = await run('bench', file, '--baseline', `${file}.json`)
    assert.match(missing.stderr, /ENOENT/)
  })

  test('says what is wrong with a call', async () => {
    for (const args of [
      [],
      ['x.js', '--runs', 'many'],
      ['x.js', '--runs', '0'],
      ['x.js', '--runs', '51'],
      ['x.js', '--format', 'pdf'],
      ['x.js', '--max-duration', 'long'],
      ['x.js', '--max-duration', '-1'],
      ['--colour'],
      ['x.js', '--iterations', '-1'],
    ]) {
      const { status, stderr } = await run('bench', ...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /Usage: aiwf-native bench/)
    }
    const help = await run('bench', '--help')
    assert.equal(help.status, 0)
    assert.match(help.stdout, /--baseline/)
  })
})

describe('a terminal', () => {
  /** @param {boolean} isTTY */
  const stream = (isTTY) => {
    /** @type {string[]} */
    const written = []
    return { isTTY, written, write: (/** @type {string} */ text) => written.push(text) }
  }

  test('alone sees the bar, which goes away', () => {
    for (const isTTY of [true, false]) {
      const seen = stream(isTTY)
      const line = liveLine(seen)
      line.show(0.5, 'half')
      line.clear()
      assert.equal(seen.written.join('').includes('half'), isTTY)
      assert.equal(seen.written.at(-1), isTTY ? '\r\x1b[K' : undefined)
    }
  })

  test('alone sees colours, unless NO_COLOR is set', (t) => {
    const before = process.env
    t.after(() => {
      process.env = before
    })
    const { NO_COLOR: _, FORCE_COLOR: __, ...rest } = before
    process.env = { ...rest, TERM: 'xterm' }
    assert.equal(palette(stream(true)).bad('x'), '\x1b[31mx\x1b[0m')
    assert.equal(palette(stream(false)).bad('x'), 'x')
    process.env.NO_COLOR = '1'
    assert.equal(palette(stream(true)).bad('x'), 'x')
  })
})

describe('load', () => {
  test('sends what it is told to, and shows what came of it', async (t) => {
    const { url, requests } = await serve(t, (_, response) => response.end('hello'))
    const args = ['-n', '40', '-c', '4', '-m', 'post', '-H', 'X-Name: a: b', '-b', 'body']
    const { status, stdout, stderr } = await run('load', `${url}/path`, ...args)
    assert.deepEqual([status, stderr], [0, ''])
    assert.match(stdout, /^Requests +40 in /m)
    assert.match(stdout, /p99\.9/)
    assert(!stdout.includes('Failed') && !stdout.includes('\x1b'))
    assert.equal(requests.length, 40)
    const [{ method, headers, body }] = requests
    assert.deepEqual([method, headers['x-name'], body], ['POST', 'a: b', 'body'])
    const json = await run('load', url, '-n', '7', '--json', '--rate', '1000')
    const { metrics, config } = JSON.parse(json.stdout)
    assert.deepEqual([metrics.totalRequests, metrics.scheduledRequests, config.rate], [7, 7, 1000])
  })

  test('shows no password', async (t) => {
    const { url } = await serve(t, (_, response) => response.end())
    const target = `${url}/path`
    const secret = target.replace('//', '//user:secret@')
    const { status, stdout, stderr } = await run('load', secret, '-n', '1', '--json')
    assert.equal(status, 0, stderr)
    assert.doesNotMatch(stdout + stderr, /user|secret/)
    const { name, config } = JSON.parse(stdout)
    assert.deepEqual([name, config.name], [target, target])
  })

  test('sends a file', async (t) => {
    const { url, requests } = await serve(t, (_, response) => response.end())
    const file = join(await workspace(t), 'body')
    await writeFile(file, 'from a file')
    assert.equal((await run('load', url, '-n', '1', '-m', 'PUT', '-b', `@${file}`)).status, 0)
    assert.equal(requests[0].body, 'from a file')
    assert.equal((await run('load', url, '-n', '1', '-b', `@${file}.none`)).status, 1)
  })

  test('fails if nothing succeeds, or a limit is passed', async (t) => {
    const { url } = await serve(t, (request, response, count) =>
      response.writeHead(request.url === '/none' || count % 2 ? 404 : 200).end(),
    )
    const none = await run('load', `${url}/none`, '-n', '4')
    assert.equal(none.status, 1)
    assert.match(none.stdout, /^Failed +4 \(100\.00 %\): 4 status$/m)
    assert.match(none.stderr, /no request succeeded/)
    assert.equal((await run('load', `${url}/none`, '-n', '4', '--expect', '404')).status, 0)
    const half = await run(
      'load',
      url,
      '-n',
      '40',
      '-c',
      '1',
      '--max-errors',
      '0.1',
      '--max-p99',
      '60000',
    )
    assert.equal(half.status, 1)
    assert.match(half.stderr, /a share of 0\.5000 failed, above 0\.1/)
    assert.match((await run('load', url, '-n', '40', '--max-p99', '0')).stderr, /99th percentile/)
  })

  test('says what is wrong with a call', async () => {
    const url = 'http://127.0.0.1:1/'
    for (const args of [
      [],
      [url, 'more'],
      ['nowhere'],
      [url, '-c', 'x'],
      [url, '-H', 'none'],
      [url, '-H', 'Bad Name: x'],
      [url, '-H', 'Name: a\nb'],
      [url, '-c', '0'],
      ['--colour'],
    ]) {
      const { status, stderr } = await run('load', ...args)
      assert.equal(status, 2, args.join(' '))
      assert.match(stderr, /Usage: aiwf-native load/)
    }
    assert.equal((await run('load', '--help')).status, 0)
  })
})
