// @ts-check
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  lstat,
  mkdir,
  readdir,
  readFile,
  readlink,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { memoryTree, startGitHubServer } from './support/github-server.mjs'
import { workspace } from './support/workspace.mjs'

/** @typedef {Parameters<typeof memoryTree>[0]} Files */

const posix = process.platform !== 'win32'
const FILES = /** @type {Files} */ ({
  'README.md': '# Hello\n',
  'empty.txt': '',
  'bin/run.sh': { content: '#!/bin/sh\n', mode: '100755' },
  'docs/a b#c?%20.md': 'odd name\n',
  'docs/deep/er/ünï.txt': 'unicode\n',
  'docs/data.bin': Buffer.from([0, 255, 128, 10]),
  ...(posix && { 'docs/link': { link: 'deep/er' } }),
})

/**
 * @param {import('node:test').TestContext} t
 * @param {Files} [files]
 * @param {Partial<import('./support/github-server.mjs').ServerOptions>} [options]
 */
async function setUp(t, files = FILES, options = {}) {
  const server = await startGitHubServer({ repositories: { 'o/r': memoryTree(files) }, ...options })
  t.after(() => server.close())
  const folder = await workspace(t)
  const client = () => new OptimizedGitHubClient(server.url, { cacheDir: join(folder, 'cache') })
  return { server, folder, destination: join(folder, 'out'), client }
}

/** @param {string} folder */
async function names(folder) {
  const found = await readdir(folder, { recursive: true }).catch(() => [])
  return found.sort()
}

test('mirrors every file, with one call of the API; again, it asks nothing', async (t) => {
  const { server, destination, client } = await setUp(t)
  /** @type {string[]} */
  const seen = []
  const cold = await client().downloadDirectory('o/r', '', destination, {
    onProgress: ({ path, status, tally }) => {
      assert.equal(status, 'downloaded')
      seen.push(path)
      assert.equal(tally.downloaded, seen.length)
    },
  })
  const total = Object.keys(FILES).length
  assert.deepEqual(seen.sort(), Object.keys(FILES).sort())
  assert.equal(cold.total, total)
  assert.equal(cold.downloaded, total)
  assert.deepEqual(cold.failures, [])
  assert.equal(cold.apiCalls, 1)
  assert.equal(server.served.trees, 1)
  assert.equal(server.served.raw, total)
  assert.equal(await readFile(join(destination, 'docs/a b#c?%20.md'), 'utf8'), 'odd name\n')
  assert.deepEqual(await readFile(join(destination, 'docs/data.bin')), FILES['docs/data.bin'])
  if (posix) {
    assert.equal((await stat(join(destination, 'bin/run.sh'))).mode & 0o111, 0o111)
    assert.equal((await stat(join(destination, 'README.md'))).mode & 0o111, 0)
    assert.equal(await readlink(join(destination, 'docs/link')), 'deep/er')
  }

  server.reset()
  const warm = await client().downloadDirectory('o/r', '', destination)
  assert.equal(server.served.total, 0)
  assert.equal(warm.unchanged, total)
  assert.equal(warm.downloaded, 0)
  assert.equal(warm.bytes, 0)
  assert.deepEqual(warm.cacheHits, { memory: 0, disk: 1 })
})

test('rewrites only what differs, and leaves the rest untouched', async (t) => {
  const { server, destination, client } = await setUp(t)
  await client().downloadDirectory('o/r', '', destination)
  const untouched = await stat(join(destination, 'bin/run.sh'))
  await writeFile(join(destination, 'README.md'), '# Hellx\n')
  await writeFile(join(destination, 'own.txt'), 'mine')
  server.reset()
  const again = await client().downloadDirectory('o/r', '', destination)
  assert.equal(again.downloaded, 1)
  assert.equal(server.served.raw, 1)
  assert.equal(await readFile(join(destination, 'README.md'), 'utf8'), '# Hello\n')
  assert.equal(await readFile(join(destination, 'own.txt'), 'utf8'), 'mine')
  assert.equal((await stat(join(destination, 'bin/run.sh'))).mtimeMs, untouched.mtimeMs)
})

test('mirrors a folder, or a single file, without its parents', async (t) => {
  const { destination, client } = await setUp(t)
  await client().downloadDirectory('o/r', 'docs/deep/', destination)
  assert.deepEqual(await names(destination), ['er', join('er', 'ünï.txt')])
  await client().downloadDirectory('o/r', 'bin/run.sh', destination)
  assert.ok((await names(destination)).includes('run.sh'))
})

test('without git trees, or with a cut list, the contents API is walked', async (t) => {
  const cut = await setUp(t, FILES, { truncateTreesAt: 2 })
  const listed = await cut.client().downloadDirectory('o/r', '', cut.destination)
  assert.equal(listed.downloaded, Object.keys(FILES).length)
  assert.ok(cut.server.served.contents > 3)

  const none = await setUp(t)
  none.server.inject({ match: '/git/trees/', status: 404, times: Number.POSITIVE_INFINITY })
  const walked = await none.client().downloadDirectory('o/r', 'docs', none.destination)
  assert.equal(walked.failed, 0)
  assert.deepEqual(await names(none.destination), await names(join(cut.destination, 'docs')))
})

test('a ref with a slash, and one that does not exist', async (t) => {
  const { destination, client } = await setUp(t, FILES, { defaultBranch: 'feature/x' })
  const summary = await client().downloadDirectory('o/r', '', destination, { ref: 'feature/x' })
  assert.equal(summary.failed, 0)
  await assert.rejects(client().downloadDirectory('o/r', '', destination, { ref: 'none' }), {
    code: 'ERR_AIWF_NOT_FOUND',
  })
})

test('unknown repository, missing path, bad names: named, and nothing is written', async (t) => {
  const { folder, destination, client } = await setUp(t)
  const failing = (/** @type {string} */ repository, /** @type {string} */ path) =>
    client().downloadDirectory(repository, path, destination)
  await assert.rejects(failing('o/none', ''), { code: 'ERR_AIWF_NOT_FOUND', message: /'o\/none'/ })
  await assert.rejects(failing('o/r', 'no/such'), {
    code: 'ERR_AIWF_NOT_FOUND',
    message: /'no\/such'/,
  })
  await assert.rejects(failing('nonsense', ''), {
    name: 'TypeError',
    code: 'ERR_INVALID_ARG_VALUE',
  })
  await assert.rejects(failing(/** @type {any} */ (null), ''), { code: 'ERR_INVALID_ARG_TYPE' })
  assert.ok(!(await readdir(folder)).includes('out'))
})

test('a destination that is a file stays one', async (t) => {
  const { destination, client } = await setUp(t)
  await writeFile(destination, 'a file')
  await assert.rejects(
    client().downloadDirectory('o/r', '', destination),
    (/** @type {any} */ error) => {
      assert.equal(error.code, 'EEXIST')
      assert.equal(error.path, destination)
      return true
    },
  )
  assert.equal(await readFile(destination, 'utf8'), 'a file')
})

for (const path of ['../evil', '/etc/evil', 'a/../../evil', 'a//b', '.git/hooks/post-checkout']) {
  test(`an entry named '${path}' is refused before anything is written`, async (t) => {
    const { folder, destination, client } = await setUp(t, { 'good.txt': 'good', [path]: 'evil' })
    const refused = client().downloadDirectory('o/r', '', destination)
    await assert.rejects(refused, { code: 'ERR_AIWF_UNSAFE_PATH', path })
    assert.deepEqual(
      (await names(folder)).filter((name) => !name.startsWith('cache')),
      [],
    )
  })
}

for (const link of ['/etc', '../outside', 'sub/../../outside', 'docs/..']) {
  test(`a symbolic link to '${link}' is refused before anything is written`, {
    skip: !posix,
  }, async (t) => {
    const { folder, destination, client } = await setUp(t, { 'good.txt': 'good', bad: { link } })
    const refused = client().downloadDirectory('o/r', '', destination)
    await assert.rejects(refused, { code: 'ERR_AIWF_UNSAFE_PATH', path: 'bad' })
    assert.deepEqual(
      (await names(folder)).filter((name) => !name.startsWith('cache')),
      [],
    )
  })
}

test('a folder that is a link on disk is not written through', { skip: !posix }, async (t) => {
  const { folder, destination, client } = await setUp(t)
  const outside = join(folder, 'outside')
  await mkdir(outside)
  await mkdir(destination)
  await symlink(outside, join(destination, 'docs'))
  const summary = await client().downloadDirectory('o/r', '', destination)
  assert.deepEqual(await readdir(outside), [])
  assert.ok(summary.failures.every(({ path }) => path.startsWith('docs/')))
  assert.equal(summary.failed, 4)
  assert.equal(/** @type {any} */ (summary.failures[0].error).code, 'ERR_AIWF_UNSAFE_PATH')
  assert.equal(summary.downloaded, 3)
})

test('one file fails, the others arrive; what was there stays whole', async (t) => {
  const { server, destination, client } = await setUp(t)
  await mkdir(destination)
  await writeFile(join(destination, 'README.md'), 'old')
  server.inject({ match: '/raw/o/r/HEAD/README.md', truncateAt: 3 })
  server.inject({ match: '/raw/o/r/HEAD/docs/data.bin', corrupt: true })
  server.inject({ match: '/raw/o/r/HEAD/empty.txt', status: 500 })
  const summary = await client().downloadDirectory('o/r', '', destination)
  const codes = new Map(
    summary.failures.map(({ path, error }) => [path, /** @type {any} */ (error).code]),
  )
  assert.deepEqual(
    codes,
    new Map(
      Object.entries({
        'README.md': 'ERR_AIWF_RESET',
        'docs/data.bin': 'ERR_AIWF_BLOB_MISMATCH',
        'empty.txt': 'ERR_AIWF_HTTP_STATUS',
      }).filter(([path]) => codes.has(path)),
    ),
  )
  assert.equal(codes.size, 3)
  assert.equal(summary.downloaded, Object.keys(FILES).length - 3)
  assert.equal(await readFile(join(destination, 'README.md'), 'utf8'), 'old')
  const left = await names(destination)
  assert.ok(!left.includes('empty.txt') && !left.includes(join('docs', 'data.bin')))

  const mended = await client().downloadDirectory('o/r', '', destination)
  assert.equal(mended.downloaded, 3)
  assert.equal(mended.failed, 0)
})

test('submodules are named and left out', async (t) => {
  const files = { 'a.txt': 'a', 'vendor/lib': { submodule: '1'.repeat(40) } }
  const { destination, client } = await setUp(t, files)
  const summary = await client().downloadDirectory('o/r', '', destination)
  assert.deepEqual(summary.skippedPaths, ['vendor/lib'])
  assert.equal(summary.skipped, 1)
  assert.equal(summary.downloaded, 1)
})

test('an abort stops it with the reason; a listener that throws stops it with its error', async (t) => {
  const { server, destination, client } = await setUp(t)
  server.inject({ match: '/raw/', hang: true, times: Number.POSITIVE_INFINITY })
  const controller = new AbortController()
  const { signal } = controller
  const running = client().downloadDirectory('o/r', '', destination, { signal })
  while (server.served.raw === 0) await new Promise((resolve) => setImmediate(resolve))
  controller.abort(new Error('enough'))
  await assert.rejects(running, { message: 'enough' })
  assert.deepEqual(
    (await names(destination)).filter((name) => name.includes('.')),
    [],
  )

  server.reset()
  const onProgress = () => {
    throw new RangeError('listener')
  }
  await assert.rejects(client().downloadDirectory('o/r', '', destination, { onProgress }), {
    name: 'RangeError',
    message: 'listener',
  })
})

test('the executable bit follows git, also on a file that is already right', {
  skip: !posix,
}, async (t) => {
  const { destination, client } = await setUp(t)
  await client().downloadDirectory('o/r', '', destination)
  await chmod(join(destination, 'bin/run.sh'), 0o644)
  await chmod(join(destination, 'README.md'), 0o755)
  const again = await client().downloadDirectory('o/r', '', destination)
  assert.equal(again.downloaded, 0)
  assert.equal((await lstat(join(destination, 'bin/run.sh'))).mode & 0o777, 0o755)
  assert.equal((await lstat(join(destination, 'README.md'))).mode & 0o777, 0o644)
})

/**
 * Runs the command line.
 *
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [env]
 * @returns {Promise<{ code: number, stdout: string, stderr: string }>}
 */
function cli(args, env = {}) {
  const script = new URL('../bin/aiwf-native.js', import.meta.url).pathname
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [script, ...args],
      { env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        resolve({ code: Number(error?.code ?? 0), stdout, stderr })
      },
    )
  })
}

test('the command installs, sums up, and exits with 0', async (t) => {
  const { server, folder, destination } = await setUp(t, FILES, { token: 's3cret' })
  const env = { GITHUB_TOKEN: 's3cret', GITHUB_API_URL: server.url, XDG_CACHE_HOME: folder }
  const cold = await cli(['install', 'o/r', '', destination], env)
  assert.equal(cold.code, 0, cold.stderr)
  assert.match(cold.stdout, /Files +7 \(7 downloaded, 0 unchanged, 0 failed\)/)
  assert.match(cold.stdout, /API calls +1\n/)
  assert.match(cold.stdout, /Peak memory +\d+\.\d MiB/)
  assert.match(cold.stderr, /7\/7 files\n/)
  const warm = await cli(['install', 'o/r', '', destination, '--json'], env)
  const summary = JSON.parse(warm.stdout)
  assert.equal(summary.unchanged, 7)
  assert.equal(summary.apiCalls, 0)
  assert.deepEqual(summary.cacheHits, { memory: 0, disk: 1 })
  assert.doesNotMatch(cold.stdout + cold.stderr + warm.stdout + warm.stderr, /s3cret/)
})

test('the command installs for all that nobody reads its progress', async (t) => {
  const { server, folder, destination } = await setUp(t)
  const script = new URL('../bin/aiwf-native.js', import.meta.url).pathname
  const args = [script, 'install', 'o/r', '', destination, '--base-url', server.url]
  const env = { ...process.env, GITHUB_TOKEN: '', XDG_CACHE_HOME: folder }
  const child = spawn(process.execPath, args, { env })
  child.stderr.destroy()
  child.stdout.resume()
  assert.deepEqual(await once(child, 'close'), [0, null])
  assert.ok((await names(destination)).includes('docs/data.bin'))
})

test('the command names what failed and exits with 1', async (t) => {
  const { server, folder, destination } = await setUp(t)
  const env = { GITHUB_TOKEN: '', XDG_CACHE_HOME: folder }
  server.inject({ match: 'README.md', status: 500 })
  const common = ['--base-url', server.url, '--quiet']
  const partly = await cli(['install', 'o/r', '', destination, ...common], env)
  assert.equal(partly.code, 1)
  assert.match(partly.stderr, /^aiwf-native: README\.md: HTTP 500/)
  assert.match(partly.stdout, /6 downloaded, 0 unchanged, 1 failed/)
  const unknown = await cli(['install', 'o/none', '', destination, ...common], env)
  assert.equal(unknown.code, 1)
  assert.match(unknown.stderr, /o\/none.*ERR_AIWF_NOT_FOUND/)
  server.inject({ match: '/git/trees/', status: 403, body: { message: 'API rate limit exceeded' } })
  const fresh = { ...env, XDG_CACHE_HOME: join(folder, 'fresh') }
  const limited = await cli(['install', 'o/r', '', destination, ...common], fresh)
  assert.equal(limited.code, 1)
  assert.match(limited.stderr, /HTTP 403: Forbidden: API rate limit exceeded \(http/)
  const offline = await cli(
    ['install', 'o/r', '', destination, '--base-url', 'http://127.0.0.1:1'],
    {
      ...env,
      XDG_CACHE_HOME: join(folder, 'other'),
    },
  )
  assert.equal(offline.code, 1)
  assert.match(offline.stderr, /ERR_AIWF_CONNECT/)
})

test('the command explains itself and how it was misused', async () => {
  assert.match((await cli(['--help'])).stdout, /install <owner\/repo>/)
  assert.match((await cli(['install', '--help'])).stdout, /--base-url/)
  assert.match((await cli(['--version'])).stdout, /^\d+\.\d+\.\d+/)
  for (const args of [
    [],
    ['unknown'],
    ['install'],
    ['install', 'o/r', '--odd'],
    ['install', 'o/r', '--concurrency', '0'],
    ['install', 'notarepo'],
  ]) {
    const { code, stderr } = await cli(args)
    assert.equal(code, 2, args.join(' '))
    assert.match(stderr, /Usage:/)
  }
})
