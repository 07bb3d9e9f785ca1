/* SPDX-License-Identifier: MIT */
/*
 * The status page: one file that needs nothing else. Its script asks this
 * relay for /healthz, /metrics and /links every two seconds, or less often
 * where they take long, and shows what changed. Names come from peers: the
 * script handles them as text only, and the policy in the page lets nothing
 * but this page run or be loaded. admin.c serves it.
 */
#include "cmd/relay/page.h"

#include <stddef.h>

/* clang-format off */
static const char *const lines[] = {
	"<!DOCTYPE html>\n",
	"<html lang=\"en\"><head><meta charset=\"utf-8\">\n",
	"<meta name=\"viewport\" content=\"width=device-width,initial-scale"
	    "=1\">\n",
	"<meta http-equiv=\"Content-Security-Policy\" content=\"default-src"
	    " 'none';\n",
	" style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-sr"
	    "c 'self'\">\n",
	"<title>bluenet-relay</title>\n",
	"<style>\n",
	":root{color-scheme:light dark;--bg:#f6f7f9;--fg:#1a2230;--dim:#5d6"
	    "878;\n",
	"--card:#fff;--line:#dde2ea;--blue:#1f6feb;--good:#1a7f4b;--bad:#c2"
	    "2f2f}\n",
	"@media(prefers-color-scheme:dark){:root{--bg:#11161d;--fg:#e4e9f0;\n",
	"--dim:#93a0b2;--card:#1a212b;--line:#2b3543;--blue:#6aa5ff;--good:"
	    "#4cc38a;\n",
	"--bad:#ff7b72}}\n",
	"*{box-sizing:border-box}\n",
	"body{margin:0 auto;max-width:76rem;padding:1rem;background:var(--b"
	    "g);\n",
	"color:var(--fg);font:15px/1.45 system-ui,sans-serif}\n",
	"header{display:flex;flex-wrap:wrap;gap:.2rem 1rem;align-items:base"
	    "line}\n",
	"h1{font-size:1.3rem;margin:0}h2{font-size:1rem;margin:1.4rem 0 .5r"
	    "em}\n",
	".dim{color:var(--dim)}\n",
	"#health{font-weight:600;padding:.1rem .7rem;border-radius:1rem;col"
	    "or:#fff;\n",
	"background:var(--dim)}\n",
	"#health.good{background:#1a7f4b}#health.bad{background:#c22f2f}\n",
	"#cards{display:grid;gap:.7rem;margin-top:1rem;\n",
	"grid-template-columns:repeat(auto-fill,minmax(10.5rem,1fr))}\n",
	".card{background:var(--card);border:1px solid var(--line);\n",
	"border-radius:.5rem;padding:.6rem .8rem;min-width:0}\n",
	".card b{display:block;font-size:1.35rem;font-weight:600;\n",
	"font-variant-numeric:tabular-nums;white-space:nowrap}\n",
	".card small{color:var(--dim)}\n",
	".card svg{display:block;width:100%;height:2.2rem;margin-top:.3rem}\n",
	"polyline{fill:none;stroke:var(--blue);stroke-width:1.5;\n",
	"vector-effect:non-scaling-stroke}\n",
	"#wrong{margin:0;padding:0;list-style:none}\n",
	"#wrong li{background:var(--card);border:1px solid var(--line);\n",
	"border-left:4px solid var(--bad);border-radius:.3rem;padding:.35re"
	    "m .7rem;\n",
	"margin-bottom:.4rem}\n",
	"#wrong li.good{border-left-color:var(--good)}\n",
	".scroll{overflow-x:auto;background:var(--card);\n",
	"border:1px solid var(--line);border-radius:.5rem}\n",
	"table{border-collapse:collapse;width:100%;\n",
	"font-variant-numeric:tabular-nums}\n",
	"th,td{padding:.3rem .7rem;text-align:right;white-space:nowrap}\n",
	"th{color:var(--dim);font-weight:500;cursor:pointer}\n",
	"th[aria-sort]{color:var(--fg)}\n",
	"tr+tr td,tbody td{border-top:1px solid var(--line)}\n",
	".t{text-align:left;max-width:16rem;overflow:hidden;text-overflow:e"
	    "llipsis}\n",
	"td.warn{color:var(--bad);font-weight:600}\n",
	"</style></head><body>\n",
	"<header><h1 id=\"name\">bluenet-relay</h1><span id=\"health\">...<"
	    "/span>\n",
	"<span class=\"dim\" id=\"about\"></span></header>\n",
	"<noscript>This page needs JavaScript; /links, /metrics and /health"
	    "z have the\n",
	"same as text.</noscript>\n",
	"<div id=\"cards\"></div>\n",
	"<h2>What is wrong</h2><ul id=\"wrong\"></ul>\n",
	"<h2>Links <span class=\"dim\" id=\"count\"></span></h2>\n",
	"<div class=\"scroll\"><table><thead><tr id=\"head\"></tr></thead>\n",
	"<tbody id=\"links\"></tbody></table></div>\n",
	"<script>\n",
	"\"use strict\";\n",
	"const $=id=>document.getElementById(id),P=\"bluenet_relay_\",EVERY"
	    "=2000,\n",
	"ROWS=200,KEEP=90,LONG=32768,series={};\n",
	"let last=null,sort=\"rate\",seen=new Map();\n",
	"const unit=(v,u,k)=>{let i=0;while(v>=k&&i<u.length-1){v/=k;i++}\n",
	"return(v>=100||(i===0&&Number.isInteger(v))?v.toFixed(0):v.toFixed"
	    "(1))+u[i]};\n",
	"const num=v=>unit(v,[\"\",\"k\",\"M\",\"G\"],1000);\n",
	"const bytes=v=>unit(v,[\" B\",\" KiB\",\" MiB\",\" GiB\"],1024);\n",
	"const us=v=>v===null?\"\":v<1000?v+\" us\":(v/1000).toFixed(1)+\" "
	    "ms\";\n",
	"const time=s=>s<60?Math.floor(s)+\" s\":s<3600?Math.floor(s/60)+\""
	    " min\":\n",
	"s<86400?(s/3600).toFixed(1)+\" h\":(s/86400).toFixed(1)+\" d\";\n",
	"function el(tag,text,cls){const e=document.createElement(tag);\n",
	"if(text!==undefined)e.textContent=text;if(cls)e.className=cls;retu"
	    "rn e}\n",
	"function parse(text){const m=new Map();\n",
	"for(const l of text.split(\"\\n\")){\n",
	"const g=/^bluenet_relay_([a-z_0-9]+)(\\{.*\\})? ([-+.0-9eE]+)$/.ex"
	    "ec(l);\n",
	"if(g)m.set(g[1]+(g[2]||\"\"),Number(g[3]))}return m}\n",
	"const sum=(m,name)=>{let n=0;for(const[k,v]of m)\n",
	"if(k===name||k.startsWith(name+\"{\"))n+=v;return n};\n",
	"function spark(id,v){const a=series[id]=(series[id]||[]);a.push(v)"
	    ";\n",
	"if(a.length>KEEP)a.shift();const top=Math.max(...a,1e-9),ns=\n",
	"\"http://www.w3.org/2000/svg\",s=document.createElementNS(ns,\"svg"
	    "\"),\n",
	"p=document.createElementNS(ns,\"polyline\");\n",
	"s.setAttribute(\"viewBox\",\"0 0 \"+(KEEP-1)+\" 20\");\n",
	"s.setAttribute(\"preserveAspectRatio\",\"none\");\n",
	"p.setAttribute(\"points\",a.map((y,i)=>(KEEP-a.length+i)+\",\"+\n",
	"(19-18*y/top).toFixed(1)).join(\" \"));s.append(p);return s}\n",
	"function card(list,id,title,text,small,v){const c=el(\"div\",undef"
	    "ined,\"card\");\n",
	"c.id=\"card-\"+id;c.append(el(\"span\",title,\"dim\"),el(\"b\",tex"
	    "t),\n",
	"el(\"small\",small||\"\\u00a0\"));if(v!==undefined)c.append(spark("
	    "id,v));\n",
	"list.push(c)}\n",
	"function rows(links,dt){const out=[];\n",
	"for(const l of links){const k=l.role+(l.id_text||l.id),was=seen.ge"
	    "t(k),\n",
	"all=l.packets_in+l.packets_out,\n",
	"rate=was&&dt>0&&all>=was?(all-was)/dt:0;\n",
	"out.push(Object.assign({rate},l));\n",
	"seen.set(k,all)}return out}\n",
	"const columns=[[\"id\",\"id\"],[\"role\",\"role\",1],[\"name\",\"n"
	    "ame\",1],\n",
	"[\"address\",\"address\",1],[\"rate\",\"packets/s\"],[\"latency_us"
	    "\",\"latency\"],\n",
	"[\"queue_bytes\",\"queue\"],[\"memory_bytes\",\"memory\"],[\"packe"
	    "ts_in\",\"in\"],\n",
	"[\"packets_out\",\"out\"]];\n",
	"function table(all){const key=sort,text=all.length&&\n",
	"typeof all[0][key]===\"string\";\n",
	"all.sort((a,b)=>text?String(a[key]).localeCompare(String(b[key])):\n",
	"key===\"id\"?a.id-b.id:(b[key]||0)-(a[key]||0));\n",
	"$(\"head\").replaceChildren(...columns.map(([k,t,left])=>{\n",
	"const h=el(\"th\",t,left?\"t\":\"\");if(k===sort)h.ariaSort=\"desc"
	    "ending\";\n",
	"h.onclick=()=>{sort=k;table(all)};return h}));\n",
	"$(\"links\").replaceChildren(...all.slice(0,ROWS).map(l=>{\n",
	"const r=el(\"tr\"),cell=(v,cls)=>r.append(el(\"td\",v,cls));\n",
	"cell(l.id_text||l.id);cell(l.stock?\"client, stock\":l.role,\"t\")"
	    ";\n",
	"cell(l.name,\"t\");cell(l.address,\"t\");cell(num(l.rate));\n",
	"cell(us(l.latency_us));\n",
	"cell(bytes(l.queue_bytes),l.queue_bytes>LONG?\"warn\":\"\");\n",
	"cell(bytes(l.memory_bytes));cell(num(l.packets_in));\n",
	"cell(num(l.packets_out));return r}));\n",
	"$(\"count\").textContent=all.length>ROWS?\"(\"+ROWS+\" of \"+all.l"
	    "ength+\")\":\n",
	"\"(\"+all.length+\")\"}\n",
	"function wrong(m,was,links,health){const list=[],\n",
	"add=t=>list.push(el(\"li\",t)),g=k=>m.get(k)||0;\n",
	"if(!health.startsWith(\"ok\"))add(\"health: \"+health.trim());\n",
	"for(const[k,v]of m){const d=was?v-(was.get(k)||0):0,\n",
	"q=/^(packets_refused|packets_dropped|copies_refused|accepts_refuse"
	    "d|connections_closed)_total\\{reason=\"([a-z_]+)\"\\}$/.exec(k);\n",
	"if(q&&d>0&&q[2]!==\"peer\")\n",
	"add(q[1].replace(\"_\",\" \")+\", \"+q[2].replace(/_/g,\" \")+\": "
	    "\"+num(d)+\n",
	"\" in the last moment\")}\n",
	"const full=links.filter(l=>l.queue_bytes>LONG);\n",
	"if(full.length)add(full.length+(full.length===1?\" link does\":\" "
	    "links do\")+\n",
	"\" not read what is queued: \"+full.slice(0,5).map(l=>l.role+\" \""
	    "+l.id+\n",
	"(l.name?\" (\"+l.name+\")\":\"\")).join(\", \"));\n",
	"const end=g(\"certificate_expiry_seconds\");\n",
	"if(end&&end-Date.now()/1000<14*86400)\n",
	"add(\"the certificate ends in \"+time(Math.max(0,end-Date.now()/10"
	    "00)));\n",
	"if(was&&g(\"log_lines_lost_total\")>(was.get(\"log_lines_lost_tota"
	    "l\")||0))\n",
	"add(\"lines of the log are lost\");\n",
	"if(!list.length)list.push(el(\"li\",\"nothing\",\"good\"));\n",
	"$(\"wrong\").replaceChildren(...list)}\n",
	"function show(m,links,health){const now=performance.now()/1000,\n",
	"was=last&&last.m,dt=last?now-last.at:0,g=k=>m.get(k)||0,\n",
	"rate=k=>was&&dt>0?Math.max(0,(sum(m,k)-sum(was,k))/dt):0,list=[];\n",
	"let info=\"\";for(const k of m.keys())if(k.startsWith(\"info{\"))i"
	    "nfo=k;\n",
	"const label=n=>{const q=new RegExp('[{,]'+n+'=\"((?:[^\"\\\\\\\\]|"
	    "\\\\\\\\.)*)\"')\n",
	".exec(info);return q?q[1].replace(/\\\\(.)/g,\"$1\"):\"\"};\n",
	"$(\"name\").textContent=label(\"name\")||\"bluenet-relay\";\n",
	"document.title=$(\"name\").textContent+\" - bluenet-relay\";\n",
	"const up=Date.now()/1000-g(\"start_time_seconds\");\n",
	"$(\"about\").textContent=[label(\"version\"),label(\"environment\""
	    "),\n",
	"g(\"start_time_seconds\")?\"up \"+time(up):\"\"].filter(x=>x).join"
	    "(\", \");\n",
	"const h=$(\"health\"),word=health.split(\"\\n\")[0];h.textContent="
	    "word;\n",
	"h.className=word===\"ok\"?\"good\":\"bad\";\n",
	"const lat=links.map(l=>l.latency_us).filter(x=>x!==null)\n",
	".sort((a,b)=>a-b),q=p=>lat.length?\n",
	"lat[Math.min(lat.length-1,Math.floor(p*lat.length))]:null,\n",
	"pin=rate(\"packets_read_total\"),pout=rate(\"copies_written_total"
	    "\"),\n",
	"bin=rate(\"bytes_read_total\"),bout=rate(\"bytes_written_total\"),\n",
	"mem=g(\"memory_reserved_bytes\"),max=g(\"memory_budget_bytes\");\n",
	"card(list,\"links\",\"links\",num(links.length),"
	    "\"nodes: \"+\n",
	"links.filter(l=>l.role===\"node\").length,links.length);\n",
	"card(list,\"in\",\"packets in\",num(pin)+\"/s\",bytes(bin)+\"/s\","
	    "pin);\n",
	"card(list,\"out\",\"packets out\",num(pout)+\"/s\",bytes(bout)+\"/"
	    "s\",pout);\n",
	"card(list,\"latency\",\"latency, median\",us(q(.5))||\"-\",\n",
	"\"p99 \"+(us(q(.99))||\"-\"),q(.5)||0);\n",
	"card(list,\"memory\",\"memory\",bytes(mem),\"of \"+bytes(max),mem)"
	    ";\n",
	"card(list,\"queue\",\"queued\",bytes(g(\"queue_bytes\")),\n",
	"\"system: \"+bytes(g(\"socket_bytes\")),g(\"queue_bytes\"));\n",
	"$(\"cards\").replaceChildren(...list);\n",
	"const before=seen;seen=new Map(before);\n",
	"const all=rows(links,dt);\n",
	"const keys=new Set(links.map(l=>l.role+(l.id_text||l.id)));\n",
	"for(const k of seen.keys())if(!keys.has(k))seen.delete(k);\n",
	"table(all);wrong(m,was,links,health);last={m,at:now}}\n",
	"const get=async p=>{const r=await fetch(p,{cache:\"no-store\"});\n",
	"return r.text()};\n",
	"async function tick(){const began=performance.now();try{\n",
	"const health=await get(\"healthz\"),m=parse(await get(\"metrics\")"
	    "),\n",
	"links=JSON.parse(await get(\"links\")).links;show(m,links,health)\n",
	"}catch(e){$(\"health\").textContent=\"no answer\";$(\"health\").cl"
	    "assName=\"bad\"}\n",
	"setTimeout(tick,Math.max(EVERY,5*(performance.now()-began)))}\n",
	"tick();\n",
	"</script></body></html>\n",
};
/* clang-format on */

bool
page_status(void *arg, struct text *out)
{
	(void)arg;
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
		text_str(out, lines[i]);
	return true;
}
