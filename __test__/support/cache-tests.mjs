// @ts-check
// The public suite https://github.com/http-tests/cache-tests in a checkout, as a private cache.
import { spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

/** @typedef {Record<string, string[]>} Outcomes the tests by how they ended: `pass`, `fail`, `optional_fail`, … */

/** @param {string} checkout */
export function cacheTests(checkout) {
  const load = (/** @type {string} */ file) => import(pathToFileURL(join(checkout, file)).href)

  /**
   * @param {any} results as the suite keeps them
   * @returns {Promise<Outcomes>}
   */
  async function outcomesOf(results) {
    const { default: suites } = await load('tests/index.mjs')
    const { determineTestResult, resultTypes } = await load('test-engine/lib/results.mjs')
    /** @type {Outcomes} */
    const outcomes = {}
    const own = suites.flatMap((/** @type {any} */ suite) => suite.tests)
    for (const { id } of own) {
      if (results[id] === undefined) continue
      const type = determineTestResult(suites, id, results)
      const name = Object.keys(resultTypes).find((key) => resultTypes[key] === type)
      outcomes[String(name)] = [...(outcomes[String(name)] ?? []), id]
    }
    return outcomes
  }

  return {
    /**
     * Runs the suite against a `fetch`, once a process.
     *
     * @param {string} base address of the suite's server
     * @param {typeof globalThis.fetch} fetch
     */
    async run(base, fetch) {
      const { default: suites } = await load('tests/index.mjs')
      const { runTests, getResults } = await load('test-engine/client/runner.mjs')
      const global = globalThis.fetch
      globalThis.fetch = fetch
      try {
        await runTests(suites, true, base, 60)
      } finally {
        globalThis.fetch = global
      }
      const results = getResults()
      return { results, outcomes: await outcomesOf(results) }
    },

    /**
     * What the suite's authors measured of another cache.
     *
     * @param {string} name
     */
    async published(name) {
      const results = JSON.parse(await readFile(join(checkout, 'results', `${name}.json`), 'utf8'))
      return outcomesOf(results)
    },

    /**
     * Starts the suite's server on a free port; resolves with its address and what stops it.
     *
     * @param {string} folder
     */
    async serve(folder) {
      const file = join(checkout, 'test-engine/server/server.mjs')
      const settings = { npm_config_protocol: 'http', npm_config_port: '0' }
      const server = spawn(process.execPath, [file], {
        env: { ...process.env, ...settings, npm_config_pidfile: join(folder, 'server.pid') },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      for await (const line of createInterface({ input: server.stdout })) {
        const port = /^Listening on .*:(\d+)\/$/.exec(line)?.[1]
        if (port) return { url: `http://localhost:${port}`, stop: () => server.kill() }
      }
      throw new Error('The server of the suite has ended')
    },
  }
}
