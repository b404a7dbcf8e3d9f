// @ts-check
// The main job on an embedded default, without a network: a loopback server that speaks GitHub's API over
// this repository's own git tree is installed from, cold and then warm, and every file is checked.

import { mkdtemp, readFile, readlink, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gitTree } from '../__test__/support/git-tree.mjs'
import { startGitHubServer } from '../__test__/support/github-server.mjs'
import install from '../lib/cli/install.js'
import progress from '../lib/cli/progress.js'
import summary from '../lib/cli/summary.js'
import { PerformanceBenchmark } from '../lib/index.js'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
const REPOSITORY = 'aiwf/aiwf-native'

const source = await gitTree(root)
const server = await startGitHubServer({ repositories: { [REPOSITORY]: source } })
const workspace = await mkdtemp(join(tmpdir(), 'aiwf-demo-'))
const destination = join(workspace, 'mirror')

try {
  console.log(`Serving ${REPOSITORY} at ${source.commit.slice(0, 12)} on ${server.url}`)
  const { cold, warm, times } = await installTwice()
  const checked = await check()
  print(cold, warm, times)
  console.log(`\n${checked} files are byte for byte those of the git tree.`)
  if (warm.downloaded > 0) throw new Error(`The warm run downloaded ${warm.downloaded} files again`)
} finally {
  await server.close()
  await rm(workspace, { recursive: true, force: true })
}

async function installTwice() {
  /** @type {Awaited<ReturnType<typeof install.measuredInstall>>[]} */
  const runs = []
  const run = async () => {
    runs.push(
      await install.measuredInstall({
        repository: REPOSITORY,
        path: '',
        destination,
        baseUrl: server.url,
        cacheDir: join(workspace, 'cache'),
        onProgress: runs.length === 0 ? progress.progressReporter(process.stderr) : undefined,
      }),
    )
  }
  const benchmark = new PerformanceBenchmark({ iterations: 1, warmupIterations: 0, silent: true })
  const { tests } = await benchmark.run({
    name: 'Install',
    tests: [
      { name: 'cold', fn: run },
      { name: 'warm', fn: run },
    ],
  })
  const failed = tests.find((test) => test.status === 'failed')
  if (failed) throw new Error(`The ${failed.name} install failed: ${failed.error}`)
  const [cold, warm] = runs
  const times = tests.map((test) => test.statistics.duration?.median ?? Number.NaN)
  return { cold, warm, times }
}

/** Compares every file with the git tree; returns how many there are. */
async function check() {
  const files = source.entries.filter((entry) => entry.type === 'blob')
  for (const { path, mode, sha } of files) {
    const expected = await source.read(sha)
    const place = join(destination, path)
    const found = mode === '120000' ? Buffer.from(await readlink(place)) : await readFile(place)
    if (!found.equals(expected)) throw new Error(`${path} differs from the git tree`)
  }
  return files.length
}

/**
 * @param {Awaited<ReturnType<typeof install.measuredInstall>>} cold
 * @param {Awaited<ReturnType<typeof install.measuredInstall>>} warm
 * @param {number[]} times
 */
function print(cold, warm, times) {
  const columns = [cold, warm].map((run, index) => {
    const lines = new Map(summary.summaryLines(run))
    lines.delete('Repository')
    lines.delete('Destination')
    lines.set('Time', `${times[index].toFixed(0)} ms`)
    return lines
  })
  const width = Math.max(...[...columns[0].values()].map((value) => value.length)) + 2
  console.log(`\n${''.padEnd(14)} ${'cold'.padEnd(width)} warm`)
  for (const [name, value] of columns[0]) {
    console.log(`${name.padEnd(14)} ${value.padEnd(width)} ${columns[1].get(name)}`)
  }
}
