// A view: its picture, what is written in it, and what mouse, wheel, keys and fingers do to it.
window.lnr_views = (() => {
  const NOTCH_PX = 100;  // of a wheel, for one slice; a touchpad's small steps are added up to it
  const SURE_NOTCH_PX = 50;  // what a single event turns at least, to be a wheel's notch
  const SWIPE_PX = 15;  // of a finger, for one slice
  const STILL_PX = 8;  // that a finger which taps may move
  const BUTTONS = ["LeftButton", "MiddleButton", "RightButton"];
  const KEY_NOTCHES = { ArrowUp: 1, ArrowRight: 1, ArrowDown: -1, ArrowLeft: -1, PageUp: 10, PageDown: -10 };
  const shown = {};  // number of the picture on the screen, by the view's name

  // Sends one event at a time; what comes meanwhile is merged.
  class Events {
    constructor(send) { Object.assign(this, { send, waiting: [], sending: false }); }

    add(event) {
      const last = this.waiting.at(-1);
      if (last?.type === event.type && ["MouseMove", "MouseWheel", "Pinch"].includes(event.type)) {
        this.waiting.pop();
        if (event.notches) event.notches += last.notches;
        if (event.factor) event.factor *= last.factor;
      }
      this.waiting.push(event);
      if (!this.sending) this.flush();
    }

    // What was turned but not seen yet is not wanted by who presses on what is seen.
    forgetTurns() { this.waiting = this.waiting.filter((event) => event.type !== "MouseWheel"); }

    async flush() {
      this.sending = true;
      while (this.waiting.length) await this.send(this.waiting.shift()).catch(() => {});
      this.sending = false;
    }
  }

  // Whole notches of a wheel, and of a touchpad's steps once they add up to one.
  class Notches {
    constructor() { this.left = 0; }

    of(event) {
      const pixels = -event.deltaY * [1, NOTCH_PX / 3, NOTCH_PX][event.deltaMode];
      if (Math.abs(pixels) >= SURE_NOTCH_PX) {
        this.left = 0;
        return Math.sign(pixels) * Math.max(1, Math.round(Math.abs(pixels) / NOTCH_PX));
      }
      if (Math.sign(pixels) !== Math.sign(this.left)) this.left = 0;
      this.left += pixels;
      const whole = Math.trunc(this.left / NOTCH_PX);
      this.left -= whole * NOTCH_PX;
      return whole;
    }
  }

  const Area = {
    props: { name: String, label: String },
    inject: ["trame"],
    data: () => ({ said: {}, scale: null }),
    template: `
      <div class="remote-controlled-area" ref="area" role="img" :aria-label="label" tabindex="0">
        <canvas ref="canvas"></canvas>
        <div class="written">
          <span v-for="(words, place) in said" :key="place" :class="place">{{ words }}</span>
          <span v-if="scale" class="scale" :style="{ width: 100 * scale[0] + '%' }">{{ scale[1] }}</span>
        </div>
      </div>`,

    mounted() {
      const session = this.trame.client.getConnection().getSession();
      this.call = (what, said) => session.call(`trame.rca.${what}`, [this.name, "", said]);
      this.events = new Events((event) => this.call("event", event));
      this.notches = new Notches();
      this.fingers = new Map();
      this.subscription = session.subscribe("trame.rca.topic.stream", ([one]) => this.receive(one));
      this.observer = new ResizeObserver(() => this.measure());
      this.observer.observe(this.$refs.area);
      this.listen(this.$refs.area);
    },
    beforeUnmount() {
      this.trame.client.getConnection().getSession().unsubscribe(this.subscription);
      this.observer.disconnect();
      delete shown[this.name];
    },

    methods: {
      // The picture

      measure() {
        const { width: w, height: h } = this.$refs.area.getBoundingClientRect();
        if (w && h) this.call("size", { w, h, p: window.devicePixelRatio });
      },
      async receive({ name, meta, content }) {
        if (name !== this.name) return;
        this.next = { meta, content };
        if (this.drawing) return;
        this.drawing = true;
        while (this.next) {
          const one = this.next;
          this.next = null;
          await this.draw(one).catch(() => {});
        }
        this.drawing = false;
      },
      async draw({ meta, content }) {
        const picture = await createImageBitmap(new Blob([content], { type: meta.type }));
        const canvas = this.$refs.canvas;
        if (!canvas) return;
        Object.assign(canvas, { width: picture.width, height: picture.height });
        canvas.getContext("2d").drawImage(picture, 0, 0);
        shown[this.name] = meta.picture;
        Object.assign(this, { said: meta.said, scale: meta.scale });
      },

      // Mouse, wheel and keys

      listen(area) {
        const on = (what, does) => area.addEventListener(what, (event) => does(event), { passive: false });
        on("contextmenu", (event) => event.preventDefault());
        on("wheel", this.wheel);
        on("pointerdown", this.down);
        on("pointermove", this.move);
        on("pointerup", this.up);
        on("pointercancel", this.up);
        on("pointerleave", (event) => event.pointerType === "mouse" && !event.buttons && this.add("Leave", event));
        on("keydown", this.key);
      },
      add(type, event, more = {}) {
        const box = this.$refs.canvas.getBoundingClientRect();
        this.events.add({
          type, x: event.clientX - box.left, y: box.bottom - event.clientY, w: box.width, h: box.height,
          controlKey: event.ctrlKey, shiftKey: event.shiftKey, altKey: event.altKey,
          picture: shown[this.name] ?? 0, ...more,
        });
      },
      turn(notches, event) { if (notches) this.add("MouseWheel", event, { notches }); },
      wheel(event) {
        event.preventDefault();
        if (event.ctrlKey) this.add("Pinch", event, { factor: Math.exp(-event.deltaY / 300) });
        else this.turn(this.notches.of(event), event);
      },
      key(event) {
        const notches = KEY_NOTCHES[event.key];
        if (!notches) return;
        event.preventDefault();
        const box = this.$refs.canvas.getBoundingClientRect();
        this.turn(notches, { clientX: box.left, clientY: box.bottom });
      },
      down(event) {
        event.preventDefault();
        this.$refs.area.focus();
        this.$refs.area.setPointerCapture(event.pointerId);
        if (this.trame.state.get("cine")) this.trame.state.set("cine", false);  // at once, however busy the server is
        if (event.pointerType === "touch") return this.touch(event);
        this.events.forgetTurns();
        this.add(`${BUTTONS[event.button]}Press`, event);
      },
      move(event) {
        if (event.pointerType === "touch") this.swipe(event);
        else this.add("MouseMove", event);
      },
      up(event) {
        if (event.pointerType === "touch") this.lift(event);
        else this.add(`${BUTTONS[event.button]}Release`, event);
      },

      // Fingers: one turns the slices, or points where points are placed and in 3D; two zoom and move

      touch(event) {
        this.fingers.set(event.pointerId, event);
        if (this.fingers.size === 1) {
          const points = ["placing", "measuring", "brush"].some((one) => this.trame.state.get(one))
            || this.name === "ThreeD";
          Object.assign(this, { begun: event, points, moved: false, left: 0, saw: shown[this.name] });
          if (points) this.press(event);
        } else if (this.fingers.size === 2) {
          if (this.points) this.add("LeftButtonRelease", this.begun);
          Object.assign(this, { points: false, moved: true });
          this.add("MiddleButtonPress", this.middle());
        }
      },
      press(event) {
        this.events.forgetTurns();
        this.add("LeftButtonPress", event, { picture: this.saw ?? 0 });
      },
      swipe(event) {
        const before = this.fingers.get(event.pointerId);
        if (!before) return;
        const apart = this.apart();
        this.fingers.set(event.pointerId, event);
        if (this.fingers.size === 2) {
          this.add("MouseMove", this.middle());
          if (apart) this.add("Pinch", event, { factor: Math.min(2, Math.max(0.5, this.apart() / apart)) });
        } else if (this.points) this.add("MouseMove", event);
        else this.swiped(before.clientY - event.clientY, event);
      },
      swiped(pixels, event) {
        const far = Math.hypot(event.clientX - this.begun.clientX, event.clientY - this.begun.clientY);
        this.moved ||= far > STILL_PX;
        this.left += pixels;
        const notches = Math.trunc(this.left / SWIPE_PX);
        this.left -= notches * SWIPE_PX;
        this.turn(notches, event);
      },
      lift(event) {
        const two = this.fingers.size === 2;
        if (!this.fingers.delete(event.pointerId)) return;
        if (two) return this.add("MiddleButtonRelease", event);
        if (this.fingers.size) return;
        if (!this.points && !this.moved) this.press(this.begun);
        if (this.points || !this.moved) this.add("LeftButtonRelease", event);
      },
      middle() {
        const [one, other] = this.fingers.values();
        return { clientX: (one.clientX + other.clientX) / 2, clientY: (one.clientY + other.clientY) / 2 };
      },
      apart() {
        const [one, other] = this.fingers.values();
        return other && Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
      },
    },
  };

  // Words with what stands in their braces filled in.
  const fill = (words, values) => words.replace(/{(\w+)}/g, (braces, name) => values[name] ?? braces);
  const fixed = (number, language, digits = 2) =>
    number?.toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });

  const capital = (words) => words[0].toUpperCase() + words.slice(1);

  // The language that was chosen, for the next session.
  function remember(language) {
    const root = location.pathname.split("/sessions/")[0];
    document.cookie = `nodulerisk-language=${language}; path=${root || "/"}; max-age=31536000; SameSite=Lax`;
  }

  return {
    install: (app) => {
      app.component("picture-area", Area);
      window.trame.utils.lnr = { shown: () => ({ ...shown }), fill, fixed, capital, remember };
    },
  };
})();
