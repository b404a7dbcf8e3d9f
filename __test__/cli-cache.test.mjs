// @ts-check
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GitHubAPICache, OptimizedGitHubClient } from '../lib/index.js'
import { serve } from './support/http-server.mjs'
import { workspace } from './support/workspace.mjs'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))

/** @param {string[]} args */
function run(...args) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [command, 'cache', ...args], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

/** @param {string} cacheDir */
async function fill(cacheDir) {
  const cache = new GitHubAPICache(cacheDir)
  await cache.init()
  await cache.set('a', 'one')
  await cache.set('b', 'two')
}

test('counts, verifies, cleans and clears a cache', async (t) => {
  const cacheDir = join(await workspace(t), 'cache')
  await fill(cacheDir)
  const json = (/** @type {string[]} */ ...args) => {
    const { status, stdout, stderr } = run(...args, '--cache-dir', cacheDir, '--json')
    assert.equal(status, 0, stderr)
    return JSON.parse(stdout)
  }
  const before = json('stats')
  assert.equal(before.entries, 2)
  assert.ok(before.bytes > 0)
  assert.deepEqual(json('verify'), { damagedEntries: 0, damagedBytes: 0 })
  assert.equal(json('clean').expiredDiskEntries, 0)
  assert.equal(json('clean', '--ttl', '1').expiredDiskEntries, 2)
  await fill(cacheDir)
  assert.match(run('stats', '--cache-dir', cacheDir).stdout, /: 2 entries, /)
  assert.match(run('clear', '--cache-dir', cacheDir).stdout, /^2 entries removed/)
  assert.equal(json('stats').entries, 0)
})

test('counts and clears what a client has fetched', async (t) => {
  const cacheDir = join(await workspace(t), 'cache')
  const { url } = await serve(t, (_, response) => {
    response.writeHead(200, { 'cache-control': 'max-age=60' }).end('content')
  })
  await (await new OptimizedGitHubClient(url, { cacheDir }).fetch('/')).text()
  const stats = () => JSON.parse(run('stats', '--cache-dir', cacheDir, '--json').stdout)
  const { entries } = stats()
  assert.ok(entries > 0)
  const doctor = [command, 'doctor', '--cache-dir', cacheDir]
  const { stdout } = spawnSync(process.execPath, doctor, { encoding: 'utf8' })
  assert.match(stdout, new RegExp(`^ok {4}Cache .*: ${entries} entries, `, 'm'))
  assert.equal(run('verify', '--cache-dir', cacheDir).status, 0)
  assert.equal(run('clear', '--cache-dir', cacheDir).status, 0)
  assert.equal(stats().entries, 0)
})

test('says what is wrong with a call', async (t) => {
  const none = join(await workspace(t), 'none')
  const missing = run('stats', '--cache-dir', none)
  assert.equal(missing.status, 1)
  assert.match(missing.stderr, /there is no cache/)
  for (const args of [[], ['burn'], ['stats', 'more'], ['clean', '--ttl', 'x'], ['--colour']]) {
    const { status, stderr } = run(...args)
    assert.equal(status, 2, args.join(' '))
    assert.match(stderr, /Usage: aiwf-native cache/)
  }
  const help = run('--help')
  assert.equal(help.status, 0)
  assert.match(help.stdout, /verify/)
})
