// @ts-check
// The public suite https://github.com/http-tests/cache-tests, where AIWF_CACHE_TESTS names a checkout of it.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { OptimizedGitHubClient } from '../lib/cache-system.js'
import { workspace } from './support/workspace.mjs'

const checkout = process.env.AIWF_CACHE_TESTS
const skip = checkout ? false : 'AIWF_CACHE_TESTS names no checkout of http-tests/cache-tests'

/** @param {string} file */
const load = (file) => import(pathToFileURL(join(/** @type {string} */ (checkout), file)).href)

test('the public suite for HTTP caches, as a private cache', { skip }, async (t) => {
  const folder = await workspace(t)
  const base = await start(t, folder)
  const client = new OptimizedGitHubClient(base, { cacheDir: join(folder, 'cache') })
  t.mock.method(globalThis, 'fetch', client.fetch)
  const { default: suites } = await load('tests/index.mjs')
  const { runTests, getResults } = await load('test-engine/client/runner.mjs')
  const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
  await runTests(suites, true, base, 60)
  const results = getResults()
  /** @type {Record<string, string[]>} */
  const outcomes = {}
  for (const id of Object.keys(results)) {
    const type = determineTestResult(suites, id, results)
    const name = /** @type {string} */ (
      Object.keys(resultTypes).find((key) => resultTypes[key] === type)
    )
    outcomes[name] = [...(outcomes[name] ?? []), id]
  }
  for (const [name, ids] of Object.entries(outcomes)) t.diagnostic(`${name}: ${ids.length}`)
  for (const name of ['fail', 'optional_fail', 'setup_fail', 'harness_fail', 'dependency_fail']) {
    for (const id of outcomes[name] ?? []) t.diagnostic(`${name} ${id}: ${results[id][1]}`)
  }
  assert.deepEqual(outcomes.fail ?? [], [])
  assert.ok((outcomes.pass ?? []).length >= 200)
})

/**
 * Starts the suite's server on a free port; resolves with its address.
 *
 * @param {import('node:test').TestContext} t
 * @param {string} folder
 * @returns {Promise<string>}
 */
async function start(t, folder) {
  const server = spawn(
    process.execPath,
    [join(/** @type {string} */ (checkout), 'test-engine/server/server.mjs')],
    {
      env: {
        ...process.env,
        npm_config_protocol: 'http',
        npm_config_port: '0',
        npm_config_pidfile: join(folder, 'server.pid'),
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  )
  t.after(() => server.kill())
  for await (const line of createInterface({ input: server.stdout })) {
    const port = /^Listening on .*:(\d+)\/$/.exec(line)?.[1]
    if (port) return `http://localhost:${port}`
  }
  throw new Error('The server of the suite has ended')
}
