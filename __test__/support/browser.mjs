// @ts-check
// A headless Chromium, as Linux distributions and installers place it; tests that need one skip where there is none.
import { existsSync } from 'node:fs'
import { chromium } from 'playwright-core'

const PLACES = [
  process.env.CHROMIUM,
  '/usr/bin/chromium',
  '/usr/bin/chromium-browser',
  '/usr/bin/google-chrome',
]
const executablePath = PLACES.find((place) => place && existsSync(place))

/** The reason why tests in a browser are skipped, or `false`. */
export const withoutBrowser = executablePath ? false : 'there is no Chromium; CHROMIUM names one'

/**
 * A new page in a browser of its own, which ends with the test.
 *
 * @param {import('node:test').TestContext} t
 * @param {import('playwright-core').BrowserContextOptions} [options] such as `viewport` and `colorScheme`
 */
export async function openPage(t, options) {
  const browser = await chromium.launch({
    executablePath,
    args: [
      '--no-sandbox',
      '--disable-quic',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
    ],
  })
  t.after(() => browser.close())
  return browser.newPage(options)
}
