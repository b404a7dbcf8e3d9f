// @ts-check
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/**
 * A folder of the test's own, removed when it ends.
 *
 * @param {{ after(clean: () => Promise<void>): void }} test
 */
export async function workspace(test) {
  const folder = await mkdtemp(join(tmpdir(), 'aiwf-test-'))
  // A cache may be sweeping it yet.
  test.after(() => rm(folder, { recursive: true, force: true, maxRetries: 10 }))
  return folder
}
