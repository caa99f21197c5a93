// A person at a browser that is nothing but a jar of cookies: follows redirects, fills in forms, stops at the callback.

export class Visitor {
  cookies = new Map()
  /** How many times a password was asked for. */
  logins = 0

  async fetch(address, options = {}) {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const answer = await fetch(address, {
      ...options,
      headers: { cookie, ...options.headers },
      redirect: 'manual',
      signal: AbortSignal.timeout(30_000),
    })
    for (const line of answer.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
      if (/; *max-age=0/i.test(line)) {
        this.cookies.delete(name)
      } else {
        this.cookies.set(name, value)
      }
    }
    return answer
  }

  /** Goes where an application sends it; returns the address at which the application hears the answer. */
  async visit(address, callback, { username, password }) {
    let answer = await this.fetch(address)
    for (let step = 0; step < 12; step += 1) {
      const to = answer.headers.get('location')
      if (to) {
        address = new URL(to, address)
        if (address.href.startsWith(callback)) {
          return address
        }
        answer = await this.fetch(address)
        continue
      }
      const page = await answer.text()
      const action = /<form method="post" action="([^"]+)"/.exec(page)?.[1]
      if (answer.status !== 200 || !action) {
        throw new Error(`${address.pathname} answers ${answer.status}: ${page.slice(page.indexOf('<main>'))}`)
      }
      const asksPassword = page.includes('name="password"')
      this.logins += Number(asksPassword)
      const form = asksPassword ? { username, password, action: 'default' } : { action: 'accept' }
      address = new URL(action.replaceAll('&amp;', '&').replaceAll('&#38;', '&'), address)
      answer = await this.fetch(address, { method: 'POST', body: new URLSearchParams(form) })
    }
    throw new Error('the pages come to no end')
  }
}
