// What is remembered of a run: losses and counts every so many steps, and the steps at which a setting was moved.
const OFTEN = 10; // steps between two counts, at first
const LOOKS = 320; // then every other is dropped, and they become half as frequent

export class Record {
  constructor() {
    Object.assign(this, { every: OFTEN, looks: [], marks: [] });
  }

  look(run) {
    const { modes, share } = run.coverage();
    const { critic, generator } = run.terms ?? {};
    this.looks.push({ step: run.steps, modes, share, total: run.law.centres.length, critic: critic ? critic.loss + critic.penalty : null, generator: generator?.loss });
    if (this.looks.length < LOOKS) return;
    this.every *= 2;
    this.looks = this.looks.filter(({ step }) => step % this.every === 0);
  }

  // The last look anew: the law is another one.
  lookAgain(run) {
    this.looks.pop();
    this.look(run);
  }

  mark(step) {
    if (step && this.marks.at(-1) !== step) this.marks.push(step);
  }
}
