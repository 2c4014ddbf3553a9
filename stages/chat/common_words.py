"""Words that begin messages in many chats, by language.

A short log has too few sentences to show that they are words of its language.
"""

ENGLISH = """
a about actually after again agreed all also although always am an and another any anybody anyone anything anyway
are as ask at back bad be because been before best better both but by bye can case cause come cool could course
damn dear did do does done down each either else enough even ever every everybody everyone everything exactly false
few find fine first for forget found from fun get give go god going good got great guess guest guys had haha has
have he hello help her here hey hi high him his hm hmm home hope how however i if in indeed instead is it its just
keep kind know last later less let like little lol long look made make many mark may maybe me might mine more
morning most much must my name never new next nice night no nobody none nope not nothing now of off oh ok okay old
on once one only open or other others our out over own people perhaps please pm point probably put quite rather
read really right root said same say see seems seen she should since so some somebody someone something somewhere
soon sorry stop strange sure take team tell test than thank thanks that the their them then there these they thing
things think this those though thx time to today tomorrow too true try two under until up us use user very wait
want was way we welcome well were what whatever when where which while who whose why will with without wonder
wonderful work would wow write wrong yeah year yep yes yesterday yet you your
"""
GERMAN = """
aber alle alles als also auch auf aus bei bin bis bist da danke dann das dass dein dem den der des die dir doch du
ein eine er es für ganz genau gut habe hallo hat ich ihr im ist ja jetzt kann kein klar mal man mein mit morgen
nach nein nicht noch nur oder schon sehr sein sie sind so super und uns vielleicht von vor war warum was wenn wer
wie wir wo zu
"""
SPANISH = """
al como con de del el ella en es eso esta este gracias hay hola la las lo los mas me mi muy nada no pero por porque
que quien se si sin su te tu un una y ya yo
"""
FRENCH = """
au aussi avec bien bon bonjour c'est ce dans des donc elle en est et il ils je le les mais moi ne non nous on ou
oui par pas plus pour qui quoi sa salut ses sur toi tout tres tu un une voila vous
"""
COMMON_WORDS = frozenset(f"{ENGLISH} {GERMAN} {SPANISH} {FRENCH}".split())
