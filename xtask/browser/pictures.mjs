// Pictures of the pages: light and dark, wide and as narrow as a telephone; and what can be measured of them.
import assert from 'node:assert/strict'
import { join } from 'node:path'
import * as h from './harness.mjs'

const question = await h.question()
const origin = question.origins.http
const cases = new h.Cases('')
const browser = await h.start(question)
const axe = h.axeSource()

const LOOKS = [
  { name: 'light', colorScheme: 'light', viewport: { width: 1280, height: 800 } },
  { name: 'dark', colorScheme: 'dark', viewport: { width: 1280, height: 800 } },
  { name: 'phone_light', colorScheme: 'light', viewport: { width: 360, height: 740 }, hasTouch: true },
  { name: 'phone_dark', colorScheme: 'dark', viewport: { width: 360, height: 740 }, hasTouch: true },
]

const request = (scope, more) => h.authorization(origin, h.implicit(scope, more))
const partner = { client_id: 'partner-planner' }

/** Each page and how to get there. What is agreed to stays agreed to: the order matters. */
const PAGES = [
  ['login', async (somebody) => somebody.visit(request('read'))],
  ['login_wrong_password', async (somebody) => {
    await somebody.visit(request('read'))
    await somebody.login('somebody@example.com', 'wrong')
  }],
  ['consent', async (somebody) => {
    await somebody.visit(request('read', partner))
    await somebody.login()
  }],
  ['consent_with_openid', async (somebody) => {
    await somebody.visit(request('openid profile email offline_access read write', { ...partner, response_type: 'code' }))
    await somebody.login()
  }],
  ['consent_escalated', async (somebody) => {
    await somebody.visit(request('read'))
    await somebody.login()
    if (somebody.path() === '/u/consent') {
      await somebody.submit('accept')
    }
    await somebody.arrived()
    await somebody.visit(request('read write'))
  }],
  ['error', async (somebody) => somebody.visit(request('read', { redirect_uri: 'https://elsewhere.example/' }))],
]

/** What a page shows of itself: what sticks out, and what is too small for a finger. */
function measured() {
  const { documentElement: root } = document
  const small = [...document.querySelectorAll('button, input:not([type=checkbox])')].filter((element) => {
    const { width, height } = element.getBoundingClientRect()
    return width < 44 || height < 44
  })
  return {
    title: document.title,
    language: root.lang,
    sticksOut: root.scrollWidth - root.clientWidth,
    small: small.map((element) => element.id),
    unlabelled: [...document.querySelectorAll('input')].filter((input) => input.labels.length === 0).map((input) => input.id),
    ground: getComputedStyle(document.body).backgroundColor,
  }
}

const grounds = new Map()
for (const { name: look, ...options } of LOOKS) {
  for (const [name, go] of PAGES) {
    await cases.case(`${name}_in_${look}`, () =>
      h.person(browser, options, async (somebody) => {
        await go(somebody)
        const { page } = somebody
        await page.screenshot({ path: join(question.pictures, `${name}_${look}.png`) })
        const { title, language, sticksOut, small, unlabelled, ground } = await page.evaluate(measured)
        assert.ok(title, 'has a title')
        assert.equal(language, 'en')
        assert.equal(sticksOut, 0, 'is scrolled sideways')
        assert.deepEqual(small, [], 'is too small for a finger')
        assert.deepEqual(unlabelled, [], 'has no label')
        grounds.set(look, ground)
        await page.evaluate(axe)
        const { violations } = await page.evaluate(() => globalThis.axe.run())
        assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(' ')}`), [])
      }))
  }
}
await cases.case('the_dark_pages_are_dark', async () => {
  const brightness = (look) => Math.max(...grounds.get(look).match(/\d+/g).map(Number))
  assert.ok(brightness('dark') < 64 && brightness('light') > 192, JSON.stringify([...grounds]))
})

await browser.close()
cases.say({ done: cases.count })
