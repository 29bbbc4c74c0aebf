// Where models come from: the operator's providers and one's own, to add, change, try and forget.

import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { part, post, remove, told } from "../api/client";
import type { Provider, Tried } from "../api/types";
import { useLoaded } from "../parts/load";
import { Problem } from "../parts/Problem";
import { ProviderForm } from "./ProviderForm";

/** `onChange` is told when there may be other models. */
export function Providers({ onChange }: { onChange: () => void }): ComponentChildren {
  const { value, problem, again } = useLoaded<{ providers: Provider[]; known: string[] }>("/api/v2/providers");
  const [edited, setEdited] = useState<Provider | null>(null);
  const changed = () => {
    setEdited(null);
    again();
    onChange();
  };
  return (
    <section aria-labelledby="providers">
      <h2 id="providers">Providers</h2>
      <Problem text={problem} />
      <ul class="cards">
        {value?.providers.map((provider) => (
          <Card
            key={`${provider.own} ${provider.name} ${provider.changed_at ?? ""}`}
            provider={provider}
            onEdit={() => setEdited(provider)}
            onGone={changed}
          />
        ))}
      </ul>
      <ProviderForm key={edited?.name ?? ""} provider={edited} known={value?.known ?? []} onSaved={changed} onCancel={() => setEdited(null)} />
    </section>
  );
}

interface CardProps {
  provider: Provider;
  onEdit: () => void;
  onGone: () => void;
}

function Card({ provider, onEdit, onGone }: CardProps): ComponentChildren {
  const { name, own } = provider;
  const [said, setSaid] = useState("");
  const [failed, setFailed] = useState("");
  const address = `/api/v2/providers/${part(name)}`;
  const attempt = async (work: () => Promise<void>) => {
    setFailed("");
    setSaid("");
    try {
      await work();
    } catch (error) {
      setFailed(told(error));
    }
  };
  const test = () =>
    attempt(async () => {
      setSaid("Asking …");
      const tried = await post<Tried>(`${address}/test`, {});
      const took = `${Math.round(tried.milliseconds)} ms`;
      setSaid(tried.works ? `${tried.model ?? ""} answered in ${took}: ${tried.answer ?? ""}` : "");
      setFailed(tried.works ? "" : `It failed after ${took}: ${tried.error ?? ""}`);
    });
  const forget = () =>
    attempt(async () => {
      if (!confirm(`Forget ${name} and its key?`)) return;
      await remove(address);
      onGone();
    });
  return (
    <li>
      <strong>{name}</strong>
      <p class="note">
        {[own ? "your own" : "the operator's", provider.base_url ?? provider.like, provider.key ? `key ${provider.key}` : "no key", provider.default_model]
          .filter(Boolean)
          .join(" · ")}
      </p>
      <p class="row">
        <button type="button" aria-label={`Test ${name}`} onClick={() => void test()}>Test</button>
        {own && <button type="button" aria-label={`Edit ${name}`} onClick={onEdit}>Edit</button>}
        {own && <button type="button" aria-label={`Forget ${name}`} onClick={() => void forget()}>Forget</button>}
      </p>
      <p role="status">{said}</p>
      <Problem text={failed} />
    </li>
  );
}
