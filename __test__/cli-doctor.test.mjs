// @ts-check
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { GitHubAPICache } from '../lib/index.js'
import { workspace } from './support/workspace.mjs'

const command = fileURLToPath(new URL('../bin/aiwf-native.js', import.meta.url))

/**
 * @param {string[]} args
 * @param {NodeJS.ProcessEnv} [variables]
 */
function run(args, variables) {
  return spawnSync(process.execPath, [command, 'doctor', ...args], {
    encoding: 'utf8',
    env: { ...process.env, ...variables },
  })
}

test('shows machine, Node, binary, limits and cache', async (t) => {
  const cacheDir = join(await workspace(t), 'cache')
  const cache = new GitHubAPICache(cacheDir)
  await cache.init()
  await cache.set('url', 'value')
  const { status, stdout } = run(['--cache-dir', cacheDir, '--json'])
  assert.equal(status, 0)
  /** @type {Map<string, import('../lib/cli/doctor.js').Finding>} */
  const findings = new Map(
    JSON.parse(stdout).findings.map((/** @type {{ name: string }} */ found) => [found.name, found]),
  )
  assert.equal(findings.get('Node')?.message, process.versions.node)
  assert.match(findings.get('Cache')?.message ?? '', /: 1 entries, /)
  for (const name of ['Machine', 'Binary', 'Memory']) assert.equal(findings.get(name)?.status, 'ok')
  assert.equal(findings.get('Configuration')?.message, 'cacheSize 100, batchSize 10, concurrency 2')
  const plain = run(['--cache-dir', cacheDir])
  assert.match(plain.stdout, /^ok {4}Binary/m)
  assert.ok(!plain.stdout.includes('\x1b'))
})

test('works where the binary does not, and fails', async (t) => {
  const broken = join(await workspace(t), 'broken.node')
  await writeFile(broken, 'no library')
  const { status, stdout } = run([], { AIWF_NATIVE_LIBRARY_PATH: broken })
  assert.equal(status, 1)
  assert.match(stdout, /^fail {2}Binary .*broken\.node/ms)
  assert.match(stdout, /^ok {4}Node/m)
})

test('tells the configuration in force, and which key is wrong', () => {
  const variables = {
    NODE_ENV: 'production',
    AIWF_NATIVE_CONCURRENCY: '4',
    ENABLE_BATCH_PROCESSING: 'true',
  }
  const { status, stdout } = run([], variables)
  assert.equal(status, 0)
  assert.match(stdout, /^ok {4}Configuration .*concurrency 4, enableBatchProcessing$/m)
  const wrong = run([], { AIWF_NATIVE_BATCH_SIZE: 'many' })
  assert.equal(wrong.status, 1)
  assert.match(wrong.stdout, /^fail {2}Configuration .*AIWF_NATIVE_BATCH_SIZE/m)
})

test('says what is wrong with a call', () => {
  assert.equal(run(['--colour']).status, 2)
  assert.equal(run(['more']).status, 2)
  const help = run(['--help'])
  assert.equal(help.status, 0)
  assert.match(help.stdout, /Usage: aiwf-native doctor/)
})
